"""diag's dashboard: ``streamlit run dashboard/app.py [-- --models PATH --data SRC --train SRC]``."""

import streamlit as st
from diag_state import enter, keep_url

st.set_page_config(page_title="diag", page_icon="🔎", layout="wide")
page = st.navigation(
    [
        st.Page("app_pages/overview.py", title="Overview", icon=":material/leaderboard:", default=True),
        st.Page("app_pages/doctor.py", title="Doctor", icon=":material/stethoscope:"),
        st.Page("app_pages/compare.py", title="Compare", icon=":material/compare_arrows:"),
        st.Page("app_pages/calibration.py", title="Calibration", icon=":material/straighten:"),
        st.Page("app_pages/confusion.py", title="Confusion", icon=":material/grid_on:"),
        st.Page("app_pages/errors.py", title="Errors", icon=":material/error:"),
        st.Page("app_pages/data.py", title="Data", icon=":material/dataset:"),
        st.Page("app_pages/training.py", title="Training", icon=":material/show_chart:"),
        st.Page("app_pages/explain.py", title="Explain", icon=":material/visibility:"),
        st.Page("app_pages/trust.py", title="Trust", icon=":material/verified_user:"),
        st.Page("app_pages/filters.py", title="Filters", icon=":material/filter_alt:"),
    ],
    position="top",
)
enter(page.url_path)
page.run()
keep_url()
