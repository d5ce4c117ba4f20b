"""Items of one session's conversation: the last hundred, text only; and the reading of what clients write."""

from typing import Final, Literal

from speechhub.errors import InvalidValueError, MissingValueError
from speechhub.errors.excerpt import quoted
from speechhub.http.realtime.faults import ItemNotFoundError
from speechhub.http.realtime.items import ConversationItem, InputText, OutputText, Part, WrittenItem, new_id

MOST_ITEMS: Final = 100
MOST_CHARS: Final = 1024 * 1024
"""Text of all items; the newest stays, however long it is."""
ROOT: Final = "root"
"""What a client calls the place before the first item."""
NO_ANSWERS: Final = (
    "speechhub has no language model: it speaks texts word for word, and cannot answer audio. Send the words "
    "to speak as 'input_text', with the role 'user'."
)


class ItemList:
    """The items of one conversation, in order."""

    def __init__(self) -> None:
        self._items: list[ConversationItem] = []

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: ConversationItem, after: str | None = None) -> str | None:
        """Put *item* behind the one whose id is *after*, or behind all; return the id of the one before it.

        Raises:
            ItemNotFoundError: There is no item *after*.
            InvalidValueError: There is an item of this id already.
        """
        if any(other.id == item.id for other in self._items):
            raise InvalidValueError(f"There is an item {quoted(item.id)} already.", param="item.id")
        place = len(self._items)
        if after is not None:
            place = 0 if after == ROOT else self._place(after, param="previous_item_id") + 1
        before = self._items[place - 1].id if place else None
        self._items.insert(place, item)
        self._forget()
        return before

    def get(self, item_id: str, *, param: str = "item_id") -> ConversationItem:
        """Return an item; *param* is where the client wrote its id.

        Raises:
            ItemNotFoundError: There is none of this id.
        """
        return self._items[self._place(item_id, param=param)]

    def replace(self, item: ConversationItem) -> None:
        """Put *item* in the place of the one with its id, if that is still there."""
        self._items = [item if other.id == item.id else other for other in self._items]
        self._forget()

    def delete(self, item_id: str) -> None:
        """Remove an item.

        Raises:
            ItemNotFoundError: There is none of this id.
        """
        del self._items[self._place(item_id)]

    def newest(self, role: Literal["user", "assistant"]) -> ConversationItem | None:
        """Return the last item of *role*; None if there is none."""
        return next((item for item in reversed(self._items) if item.role == role), None)

    def _forget(self) -> None:
        """Forget the first items, where there are too many, or too long ones."""
        del self._items[:-MOST_ITEMS]
        chars = sum(item.chars for item in self._items)
        while chars > MOST_CHARS and len(self._items) > 1:
            chars -= self._items.pop(0).chars

    def _place(self, item_id: str, *, param: str = "item_id") -> int:
        for place, item in enumerate(self._items):
            if item.id == item_id:
                return place
        raise ItemNotFoundError(item_id, param=param)


def read_item(written: WrittenItem, place: str) -> ConversationItem:
    """Return the item that a client wrote; it gets an id if it has none.

    Args:
        written: What the client sent.
        place: Path of the item in the event, for errors.

    Raises:
        InvalidValueError, MissingValueError: It is not a message of text.
    """
    if written.type != "message":
        raise InvalidValueError(
            f"An item must be a 'message', not {quoted(written.type)}: speechhub has no language model and "
            "calls no tools.",
            param=f"{place}.type",
        )
    role = written.role
    if role is None:
        raise MissingValueError(f"{place}.role")
    if role not in ("user", "assistant", "system"):
        raise InvalidValueError(
            f"The role must be 'user', 'assistant' or 'system', not {quoted(role)}.", param=f"{place}.role"
        )
    content: list[Part] = []
    for number, part in enumerate(written.content):
        where = f"{place}.content[{number}]"
        kind = "output_text" if role == "assistant" else "input_text"
        if part.type in ("input_audio", "audio") and role == "user":
            raise InvalidValueError(NO_ANSWERS, param=f"{where}.type")
        if part.type == "output_audio" and role == "assistant":
            content.append(OutputText(text=part.transcript or ""))
            continue
        if part.type not in (kind, "text"):
            raise InvalidValueError(
                f"The content of a message with role {role!r} must be {kind!r}, not {quoted(part.type)}.",
                param=f"{where}.type",
            )
        if part.text is None:
            raise MissingValueError(f"{where}.text")
        content.append(OutputText(text=part.text) if role == "assistant" else InputText(text=part.text))
    return ConversationItem(id=written.id or new_id("item"), role=role, content=tuple(content))  # type: ignore[arg-type]
