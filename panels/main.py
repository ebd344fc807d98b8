"""What Streamlit runs at every rerun, in the place of the process's main module.

A worker process that is spawned runs its parent's main module again, under another name. Nothing may
happen then: a worker has no pages, and needs no Streamlit.
"""

if __name__ == "__main__":
    from panels import _frame

    _frame.show()
