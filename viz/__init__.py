"""What is seen: figures (no streamlit), components for the browser, and the pages which hold both."""
