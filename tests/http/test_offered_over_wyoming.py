"""Voices that HTTP lists are offered to Wyoming's clients, with languages, and mean the same there."""

from wyoming.info import Info

from speechhub.engine import Slot
from speechhub.wyoming.client_events import VoiceWish
from speechhub.wyoming.directory import Directory
from tests.http.conftest import wav


async def test_every_voice_that_http_lists_is_offered_with_a_language(hub, http, client):
    """Home Assistant never asks for a voice that is in the list of no language (its issue 178560)."""
    directory = Directory(hub)
    sample = ("a.wav", wav(1.5))
    consent = await client.audio.voice_consents.create(name="A", language="en", recording=sample)
    made = await client.audio.voices.create(name="Aria", audio_sample=sample, consent=consent.id)
    await directory.refresh()
    [tts] = Info.from_event(directory.info).tts
    offered = {voice.name: voice for voice in tts.voices}
    found = set()

    for placement in hub.catalog.listings():
        model = placement.placement.model.id
        if placement.alias_of or placement.placement.slot is not Slot.TTS:
            continue
        listed = (await http.get("/v1/audio/voices", params={"model": model})).json()
        cloning = getattr(placement.placement.capabilities, "cloning", False)
        for voice in [*listed["voices"], *(listed["data"] if cloning else [])]:
            meant = directory.voice(VoiceWish(name=f"{model}/{voice['id']}"))
            found.add((meant.model, meant.voice))
            assert (meant.model, meant.voice) == (model, voice["id"])

    choices = {name: directory.voice(VoiceWish(name=name)) for name in offered}
    assert all(voice.languages for voice in offered.values())
    assert {(it.model, it.voice) for it in choices.values()} - {
        (it, None) for it in hub.manager.placements
    } == found
    assert choices["Aria"].voice == made.id

    assert (await http.delete(f"/v1/audio/voices/{made.id}")).status_code == 200
    await directory.refresh()
    assert "Aria" not in directory.info.data.__repr__()
