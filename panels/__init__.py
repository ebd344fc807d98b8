"""The app: one file a page; the only room that knows Streamlit."""
