"""The smallest Streamlit app: one button, one number. No page can rerun faster than this."""

import streamlit as st

st.session_state.clicks = st.session_state.get("clicks", -1) + 1
st.button("again")
st.html(f'<span id="clicks">{st.session_state.clicks}</span>')
