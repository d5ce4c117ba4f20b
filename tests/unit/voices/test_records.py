"""Records whose values name folders and files hold what speechhub wrote, or are none."""

import msgspec
import pytest

from speechhub.voices import Consent, CustomVoice

VOICE = {
    "id": "voice_" + "0" * 24, "name": "Anna", "created_at": 1, "statement": "she agreed", "sha256": "0" * 64,
    "duration_s": 2.0,
}  # fmt: skip
CONSENT = {
    "id": "cons_" + "0" * 24, "name": "Anna", "language": "en", "created_at": 1, "sha256": "0" * 64,
    "duration_s": 2.0,
}  # fmt: skip


@pytest.mark.parametrize(("kind", "good"), [(CustomVoice, VOICE), (Consent, CONSENT)])
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "../../models"), ("id", ""), ("id", "voice_x"), ("id", "/"),
        ("id", "voice_" + "0" * 24 + "\n"),
        ("sha256", "../../../etc/passw"), ("sha256", "*"), ("sha256", ""), ("sha256", "F" * 64),
    ],
)  # fmt: skip
def test_a_record_names_no_other_folder(kind, good, field, value):
    """From a JSON file comes neither the path of another folder to delete, nor a pattern of other files."""
    assert msgspec.convert(good, kind)

    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.json.decode(msgspec.json.encode(good | {field: value}), type=kind)
