"""The least that Streamlit can do: one button, one number. What a rerun costs here, every page pays."""

import streamlit as st

st.session_state.clicks = st.session_state.get("clicks", -1) + 1
st.button("again")
st.html(f'<span id="clicks">{st.session_state.clicks}</span>')
