"""Rooms: a teacher's view shown in the pages of a class, and questions to the class, over a websocket beside Streamlit.

The server passes messages on and keeps a room's state while it is open; the pages of the class move by themselves
(`viz/components/room_client`). Nothing here imports Streamlit.
"""
