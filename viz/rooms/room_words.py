"""The texts of a room in the page, which the browser fetches in its language."""

from typing import Any

from viz.components.sketch import sketch_data
from viz.i18n import _


def room_words() -> dict[str, Any]:
    """Return the texts by their names in the client's scripts, in the current language."""
    return {
        "strip": _("Room"),
        "room": _("Room {letters}"),
        "ask": _("Ask the room"),
        "computing": _("Computing questions about this view …"),
        "nothing_to_ask": _("There is no question about this view. Open a page with a player, such as Step."),
        "open_view": _("Open the class's view"),
        "people": _("Who is here"),
        "following_short": _("{n} of {count} follow"),
        "following": _("{n} of {count} students follow this view."),
        "wanders": _("{name} (elsewhere)"),
        "unnamed": _("Without a name: {n}"),
        "you_follow": _("You follow the teacher."),
        "you_wander": _("You are on your own."),
        "no_view_yet": _("Wait: the teacher has not shown a page yet."),
        "go_back": _("Return to the class"),
        "leave": _("Leave the room"),
        "connecting": _("Connecting …"),
        "lost": _("The connection was lost. Connecting again …"),
        "gone": _("This room is not open. Waiting for the teacher …"),
        "full": _("The room or the server is full. Trying again …"),
        "away": _("The server that rooms are stored in does not answer. Trying again …"),
        "ended": _("The teacher has ended the room."),
        # questions
        "answered": _("{n} of {count} have answered"),
        "votes": _("{n} ({percent}%)"),
        "show": _("Show the answer"),
        "play_again": _("Play again"),
        "save": _("Save as CSV"),
        "end_question": _("End the question"),
        "number": _("Your number"),
        "send": _("Send"),
        "sending": _("Sending …"),
        "will_send": _("Your answer is sent as soon as the connection is back."),
        "received": _("Received. You can change your answer until the teacher shows the right one."),
        "right": _("Right."),
        "wrong": _("Not this time."),
        "close": _("Close"),
        "sketch": sketch_data((), (0.0, 1.0))["words"] | {"finish": _("Send")},
        # the Room page
        "join_title": _("Join a room"),
        "join_text": _(
            "Your page then shows what the teacher's page shows. You can look around and return at any time."
        ),
        "letters_text": _("Type the four letters on the teacher's screen, or open the link."),
        "letters": _("Letters"),
        "nickname": _("Nickname (optional; only the teacher sees it)"),
        "join": _("Join"),
        "no_such_letters": _("No room has these letters. Look at the screen again, or ask for the link."),
        "open_title": _("Open a room"),
        "open_text": _(
            "For a teacher: the pages of all who join follow yours. You can ask the room a question about any view; nothing "
            "is stored after you end the room."
        ),
        "open": _("Open a room"),
        "reopen": _("Return to the room that you opened last"),
        "only_here": _(
            "This server answers this machine only. For a class, start it with “--server.address 0.0.0.0” at the end of the "
            "command."
        ),
        "go_to": _("Open this address"),
        "and_type": _("and type"),
        "letters_over": _(
            "Too many wrong letters were typed: these are no longer valid. The link is. Choose new letters."
        ),
        "code": _("QR code of the link to this room"),
        "copy_link": _("Copy the link"),
        "copied": _("Copied"),
        "new_letters": _("New letters"),
        "screen": _("Open the projector's window"),
        "end": _("End the room"),
        "end_now": _("End it now, for everybody"),
        "teacher_text": _(
            "Open any page above: the class follows. The projector's window follows too, without this bar. The button at the "
            "bottom asks a question about the view."
        ),
    }
