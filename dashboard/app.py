"""diag's dashboard: ``streamlit run dashboard/app.py [-- --models PATH --data SRC --train SRC --root DIR --trust]``.

Streamlit reads this file twice: the server once, to find its application; and each run of a session, to draw a page.
"""

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

if get_script_run_ctx(suppress_warning=True) is None:
    from diag_boundary import failed
    from diag_server import Guard, prepare
    from diag_settled import serve
    from starlette.middleware import Middleware

    prepare()
    serve()
    app = st.App(__file__, middleware=[Middleware(Guard)], on_script_error=failed)
else:
    from diag_pages import draw

    draw()
