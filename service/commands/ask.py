"""Asking the app that runs on a workspace, by the workspace's own token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import requests

if TYPE_CHECKING:
    from service.workspace import Workspace

__all__ = ["App", "running_app"]


class App:
    """The running app's own routes."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.trust_env = False  # it is on this machine or in this network: no proxy in between
        self._session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path: str) -> dict[str, Any]:
        """The JSON of a GET. Raises requests.RequestException."""
        return self._checked(self._session.get(self.url + path, timeout=10))

    def post(self, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """The JSON of a POST. Raises requests.RequestException."""
        return self._checked(self._session.post(self.url + path, json=body, timeout=30))

    @staticmethod
    def _checked(reply: requests.Response) -> dict[str, Any]:
        reply.raise_for_status()
        answer: dict[str, Any] = reply.json()
        return answer


def running_app(workspace: Workspace) -> App | None:
    """The app that runs on the workspace and answers, if one does."""
    running = workspace.running()
    if running is None:
        return None
    app = App(running.url, workspace.token())
    try:
        app.get("/api/status")
    except requests.RequestException:
        return None
    return app
