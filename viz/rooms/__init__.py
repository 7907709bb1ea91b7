"""Rooms: a teacher's view shown in the pages of a class, and questions to the class, over a websocket beside Streamlit.

The server passes messages on and keeps a room's state while it is open; scripts in the page
(`client/`) move the players of the class. Nothing here imports Streamlit.
"""
