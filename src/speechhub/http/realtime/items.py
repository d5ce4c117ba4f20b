"""Items of a realtime conversation, as clients write them and as they are sent.

Source: openai-python 3.57.0, types/realtime/conversation_item.py.
"""

import os
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

ItemId = Annotated[str, Meta(min_length=1, max_length=64)]
ItemStatus = Literal["completed", "incomplete", "in_progress"]


class InputText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="input_text"):
    """Text that a client wrote."""

    text: str


class OutputText(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_text"):
    """Text of an assistant; older clients call it ``text``."""

    text: str


class InputAudioPart(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="input_audio"):
    """Speech of a person; its transcript comes in events of its own."""

    transcript: str | None = None


class OutputAudioPart(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="output_audio"):
    """Speech of the server; its samples went out in events of their own."""

    transcript: str


Part = InputText | OutputText | InputAudioPart | OutputAudioPart


class ConversationItem(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="message"):
    """A message of the conversation."""

    id: str
    object: Literal["realtime.item"] = "realtime.item"
    status: ItemStatus = "completed"
    role: Literal["user", "assistant", "system"]
    content: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        """What a client asks to be spoken: its ``input_text``, one part a line."""
        return "\n".join(part.text for part in self.content if isinstance(part, InputText))

    @property
    def chars(self) -> int:
        """Length of all its texts."""
        texts = (p.text if isinstance(p, InputText | OutputText) else p.transcript for p in self.content)
        return sum(len(text) for text in texts if text)

    @property
    def has_audio(self) -> bool:
        """Whether it is speech that a client sent."""
        return any(isinstance(part, InputAudioPart) for part in self.content)


class WrittenPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an item as a client writes it; other fields are ignored."""

    type: Annotated[str, Meta(max_length=64)]
    text: str | None = None
    transcript: str | None = None


class WrittenItem(msgspec.Struct, frozen=True, kw_only=True):
    """An item as a client writes it; other fields are ignored."""

    type: Annotated[str, Meta(max_length=64)]
    id: ItemId | None = None
    role: Annotated[str, Meta(max_length=64)] | None = None
    content: Annotated[list[WrittenPart], Meta(max_length=100)] = []


def new_id(prefix: str) -> str:
    """Return an id that nothing else has: *prefix*, a low line and 20 hexadecimal digits."""
    return f"{prefix}_{os.urandom(10).hex()}"
