"""The words for events and effects in a story: one sentence each."""

from collections.abc import Iterator, Sequence
from typing import Final

from speechhub.lifecycle.scheduler.events import (
    BatchTooLarge,
    Cancelled,
    DeviceLost,
    DeviceUnusable,
    Done,
    Effect,
    Event,
    Exited,
    Fetch,
    Fetched,
    FetchFailed,
    Freed,
    Grant,
    Load,
    Loaded,
    LoadFailed,
    Move,
    NotFreed,
    PinWanted,
    RecycleWanted,
    Refuse,
    Requested,
    ShutdownWanted,
    Stop,
    Ticked,
    Unasked,
    UnloadWanted,
    Unpinned,
    Verify,
)
from speechhub.lifecycle.scheduler.situation import Moment, Situation
from speechhub.lifecycle.scheduler.states import Phase

SHOWN: Final = 5
"""How many requests are named in a sentence."""


def counted(requests: Sequence[int]) -> str:
    """Return ``request 17``, or ``3 requests (17, 18, 19)``; of many, the first ones."""
    if len(requests) == 1:
        return f"request {requests[0]}"
    shown = ", ".join(map(str, requests[:SHOWN])) + (" …" if len(requests) > SHOWN else "")
    return f"{len(requests)} requests ({shown})"


def verb(word: str, requests: Sequence[int]) -> str:
    """Return a verb as it stands behind `counted`."""
    return f"{word}s" if len(requests) == 1 else word


def subjects(what: Event | Effect, situation: Situation) -> Iterator[str]:
    """Yield the models that an event or an effect is about; none where it is about a device or the server."""
    match what:
        case Cancelled(ticket=number) | Done(ticket=number) | Refuse(ticket=number):
            if (model := situation.model_of(number)) is not None:
                yield model
        case Unpinned(device=device):
            yield from situation.models_on(device)
        case ShutdownWanted() | Ticked():
            return
        case _:
            yield what.model


def before(event: Event, situation: Situation) -> str:  # noqa: C901, PLR0911, PLR0912  # one arm for each
    """Return what happened, by an event that *situation* has not taken in yet; empty for a tick."""
    match event:
        case Requested(ticket=number, model=model, spare=True):
            return f"request {number} asks for {model}, and would not wait for it."
        case Requested(ticket=number, model=model, front=front, keep_warm=keep_warm):
            wanted = f"wants {model} to be ready" if keep_warm else f"asks for {model}"
            again = " again, and goes first: its worker was lost or moves" if front else ""
            return f"request {number} {wanted}{again}."
        case Cancelled(ticket=number):
            waited = "while it waits" if number in situation.waiting else "while it runs"
            known = situation.model_of(number)
            return f"request {number} for {known} is cancelled {waited}." if known else ""
        case Done(ticket=number, finished=finished):
            known = situation.model_of(number)
            ended = "is done with" if finished else "ended early at"
            return f"request {number} {ended} {known}." if known else ""
        case BatchTooLarge(model=model, recordings=count):
            return (
                f"{count} recordings did not fit into one call of {model}; the next ones carry half as many."
            )
        case RecycleWanted(model=model, urgent=urgent):
            when = "after its running call" if urgent else "as soon as no request waits for it"
            return f"the worker of {model} is to be replaced {when}, because of its memory."
        case DeviceLost(model=model, error=error):
            return f"{model} lost its device: {error.message}"
        case DeviceUnusable(model=model, error=error):
            return f"{model} cannot compute on its device: {error.message}"
        case Fetched(model=model):
            return f"the files of {model} are there."
        case FetchFailed(model=model, error=error):
            return f"the files of {model} are not there: {error.message}"
        case Loaded(model=model):
            return f"{model} is ready."
        case LoadFailed(model=model, error=error):
            return f"{model} could not be loaded: {error.message}"
        case Exited(model=model, epoch=epoch):
            return _exited(model, epoch, situation)
        case Freed(model=model):
            return f"the memory of {model} on {situation.device_of(model).name} is free again."
        case NotFreed(model=model, error=error):
            device = situation.device_of(model).name
            return f"the memory of {model} on {device} is not free: {error.message}"
        case PinWanted(model=model):
            return f"an operator pins {model} to {situation.device_of(model).name}."
        case Unpinned(device=device):
            return f"nothing is pinned to {device} any more."
        case UnloadWanted(model=model):
            return f"an operator unloads {model}."
        case ShutdownWanted():
            return "the server stops."
        case Ticked():
            return ""


def after(effect: Effect, moment: Moment, situation: Situation) -> str:  # noqa: PLR0911  # one arm for each
    """Return what an effect does, and why; *situation* has taken in the event and the effects before it."""
    match effect:
        case Fetch(model=model):
            return f"looking for the files of {model}."
        case Load(model=model, unasked=unasked):
            why = {
                None: f", for {counted(situation.queue(model))}" if situation.queue(model) else "",
                Unasked.SPECULATION: ": no request waits for it, but it is likely to be asked for next",
                Unasked.RECYCLING: ": no request waits for it, but its worker was replaced",
            }[unasked]
            return f"loading {model} on {situation.device_of(model).name}{why}."
        case Stop():
            return _stop(effect, moment, situation)
        case Verify(model=model):
            return f"checking whether the memory of {situation.device_of(model).name} is free."
        case Grant(tickets=numbers, model=model):
            return _grant(numbers, model, moment, situation)
        case Refuse(ticket=number, error=error):
            return f"request {number} is refused: {error.message}"
        case Move(model=model, placement=placement):
            device = situation.device_of(model).name
            return f"{model} moves from {device} to {placement.device.name}."


def _exited(model: str, epoch: int, situation: Situation) -> str:
    worker = situation.workers.get(model)
    if worker is None or worker.epoch != epoch or worker.phase is Phase.VERIFYING:
        return ""  # its end is known already
    crashed = "" if worker.phase is Phase.STOPPING else " by itself"
    return f"the process of {model} has ended{crashed}."


def _stop(effect: Stop, moment: Moment, situation: Situation) -> str:
    model, device = effect.model, situation.device_of(effect.model).name
    waited_for = [request.model for request in situation.waiting.values() if request.model != model]
    rivals = dict.fromkeys(other for other in waited_for if situation.device_of(other).name == device)
    if effect.kill:
        why = "it was not ready in time"
    elif isinstance(moment.event, UnloadWanted):
        why = "an operator wants it unloaded"
    elif effect.recycled:
        why = "its worker is replaced"
    elif rivals:
        wanted = " and ".join(f"{other} ({counted(situation.queue(other))})" for other in rivals)
        why = f"requests wait for {wanted}"
    elif isinstance(moment.event, Ticked):
        why = "it was idle for too long"
    else:
        why = "its device is made ready for another model, or it must leave it"
    return f"{'killing' if effect.kill else 'stopping'} {model} on {device}: {why}."


def _grant(numbers: Sequence[int], model: str, moment: Moment, situation: Situation) -> str:
    waited_s = [
        moment.at - situation.waiting[number].since for number in numbers if number in situation.waiting
    ]
    waited = f" after {max(waited_s):.1f} s" if waited_s else ""
    together = " in one call" if len(numbers) > 1 else ""
    return f"{counted(numbers)} {verb('get', numbers)} {model}{together}{waited}."
