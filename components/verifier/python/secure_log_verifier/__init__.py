"""Verifies audit logs of secure-log, and evidence bundles from them: the component secure-log-verifier.wasm, run by wasmtime.

The component imports nothing: it sees the bytes and the options that it is given, and nothing else of this process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Optional, Union

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Record, ResourceAny, Variant

__all__ = ["OptionsError", "Report", "Verifier", "verify", "verify_file"]

_INTERFACE = "secure-log:verify/verifier@0.1.0"
_CHUNK_BYTES = 256 * 1024


class OptionsError(ValueError):
    """An option makes no sense. `wrong` says which: policy, trust (its keys together), mac-key, wrapping-key or
    time."""

    def __init__(self, wrong: str, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.wrong, self.line, self.column = wrong, line, column


@dataclass(frozen=True)
class Report:
    """The answer. `verdict` is valid, incomplete or invalid; `json` and `text` are the whole report."""

    verdict: str
    #: The code of the finding, where the log is invalid.
    finding: Optional[str]
    origin: str
    size: int
    root: bytes
    #: The log is complete up to this seqno on the word of `attested_by`.
    complete_to: int
    attested_by: tuple[str, ...]
    #: Sealed payloads whose data key was erased on record, and others that were not opened.
    erased_payloads: int
    unopened: int
    #: What a bundle claims, as first and last seqno and the stream if it is one's; None of a log.
    claim: Optional[tuple[int, int, Optional[str]]]
    #: A trust policy that came with a bundle, and that nothing vouches for.
    hint: Optional[str]
    #: What could not be checked: code and explanation.
    missing: tuple[tuple[str, str], ...]
    json: str
    text: str


class Verifier:
    """The compiled component. Compiling takes some seconds, so that one is kept for many logs."""

    def __init__(self) -> None:
        config = Config()
        config.cache = True
        self._engine = Engine(config)
        path = Path(__file__).with_name("secure-log-verifier.wasm")
        self._component = Component.from_file(self._engine, str(path))

    def begin(
        self,
        policy: Optional[str] = None,
        origin: Optional[str] = None,
        mac_keys: Iterable[bytes] = (),
        wrapping_keys: Optional[Mapping[str, bytes]] = None,
        time: Optional[int] = None,
    ) -> "Verification":
        """Begins the verification of one log. Each has a memory of its own, which goes with it.

        With `wrapping_keys`, by their labels, every sealed payload is opened, too.
        """
        wrapping = [_record(label=label, key=key) for label, key in (wrapping_keys or {}).items()]
        options = _record(policy=policy, origin=origin, mac_keys=list(mac_keys), wrapping_keys=wrapping, time=time)
        return Verification(self._engine, self._component, options)

    def verify(
        self, chunks: Iterable[bytes], progress: Optional[Callable[[int, int], None]] = None, **options: Any
    ) -> Report:
        """Verifies a log from its bytes, in pieces of any size. `progress` is told bytes and lines now and then."""
        verification = self.begin(**options)
        for chunk in chunks:
            if not verification.push(chunk):
                break
            if progress:
                progress(*verification.progress())
        return verification.finish()


def _record(**fields: Any) -> Record:
    """A record of the interface, whose names have dashes."""
    record = Record()
    for name, value in fields.items():
        setattr(record, name.replace("_", "-"), value)
    return record


class Verification:
    """A verification under way."""

    def __init__(self, engine: Engine, component: Component, options: Record) -> None:
        self._store = Store(engine)
        self._instance = Linker(engine).instantiate(self._store, component)
        self._interface = self._instance.get_export_index(self._store, _INTERFACE)
        begun = self._call("[static]verification.begin", options)
        if isinstance(begun, Variant):
            begun = begun.payload
        if not isinstance(begun, ResourceAny):
            raise OptionsError(begun.wrong, begun.message, begun.line, begun.column)
        self._handle = begun

    def push(self, data: bytes) -> bool:
        """Takes the next bytes; whether more are needed."""
        return bool(self._call("[method]verification.push", self._handle, bytes(data)))

    def progress(self) -> tuple[int, int]:
        """Bytes and lines so far."""
        now = self._call("[method]verification.progress", self._handle)
        return now.bytes, now.lines

    def finish(self) -> Report:
        """The report, when there are no more bytes."""
        found = self._call("[method]verification.finish", self._handle)
        verdict = found.verdict
        return Report(
            verdict=verdict if isinstance(verdict, str) else verdict.tag,
            finding=None if isinstance(verdict, str) or verdict.payload is None else verdict.payload.code,
            origin=found.origin,
            size=found.size,
            root=bytes(found.root),
            complete_to=getattr(found, "complete-to"),
            attested_by=tuple(getattr(found, "attested-by")),
            erased_payloads=getattr(found, "erased-payloads"),
            unopened=found.unopened,
            claim=found.claim and (found.claim.first, found.claim.last, getattr(found.claim, "stream-id")),
            hint=found.hint,
            missing=tuple((missing.code, missing.detail) for missing in found.missing),
            json=found.json,
            text=found.text,
        )

    def _call(self, name: str, *arguments: Any) -> Any:
        index = self._instance.get_export_index(self._store, name, self._interface)
        function = self._instance.get_func(self._store, index)
        result = function(self._store, *arguments)
        function.post_return(self._store)
        return result


def verify(chunks: Union[bytes, Iterable[bytes]], **options: Any) -> Report:
    """Verifies a log from its bytes. Options are those of `Verifier.begin`, and `progress`."""
    return Verifier().verify([chunks] if isinstance(chunks, (bytes, bytearray)) else chunks, **options)


def verify_file(path: Union[str, "os.PathLike[str]"], **options: Any) -> Report:
    """Verifies a log as it lies in a file."""
    with open(path, "rb") as file:
        return verify(iter(lambda: file.read(_CHUNK_BYTES), b""), **options)
