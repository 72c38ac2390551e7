"""Verifies audit logs of secure-log, evidence bundles from them, and archives that continue each other: the component
secure-log-verifier.wasm, run by wasmtime.

The component imports nothing: it sees the bytes and the options that it is given, and nothing else of this process.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Optional, Union

from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Record, ResourceAny, Variant

__all__ = [
    "ChainReport", "Fault", "LogHead", "MissingArchive", "OptionsError", "Report", "Verifier", "verify", "verify_chain",
    "verify_file",
]

_INTERFACE = "secure-log:verify/verifier@0.1.0"
_CHUNK_BYTES = 256 * 1024


class OptionsError(ValueError):
    """An option makes no sense. `wrong` says which: policy, trust (its keys together), mac-key, wrapping-key or
    time."""

    def __init__(self, wrong: str, message: str, line: int, column: int) -> None:
        super().__init__(message)
        self.wrong, self.line, self.column = wrong, line, column


@dataclass(frozen=True)
class LogHead:
    """The last head of a log."""

    origin: str
    size: int
    root: bytes


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
    #: The end of the log that this one says it continues.
    continues: Optional[LogHead]
    json: str
    text: str


@dataclass(frozen=True)
class Fault:
    """Why files are no chain. `code` is one of docs/archives.md, `file` its number from 1."""

    code: str
    file: int
    detail: str


@dataclass(frozen=True)
class MissingArchive:
    """An archive that is not there, by its last head. It belongs before the file with the number `before`."""

    head: LogHead
    before: int
    #: A key that counts signed that head.
    signed: bool


@dataclass(frozen=True)
class ChainReport:
    """The answer on archives that continue each other. `verdict` is valid, incomplete or invalid."""

    verdict: str
    faults: tuple[Fault, ...]
    missing: tuple[MissingArchive, ...]
    #: Name and report of each file, in the order in which they were given.
    files: tuple[tuple[str, Report], ...]
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
        options = _options(policy, origin, mac_keys, wrapping_keys, time)
        return Verification(self._engine, self._component, options)

    def begin_chain(
        self,
        policy: Optional[str] = None,
        origin: Optional[str] = None,
        mac_keys: Iterable[bytes] = (),
        wrapping_keys: Optional[Mapping[str, bytes]] = None,
        time: Optional[int] = None,
    ) -> "Chain":
        """Begins the verification of archives, oldest first. The options are those for the first of them."""
        options = _options(policy, origin, mac_keys, wrapping_keys, time)
        return Chain(self._engine, self._component, options)

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

    def verify_chain(self, files: Iterable[tuple[str, Iterable[bytes]]], **options: Any) -> ChainReport:
        """Verifies archives, oldest first: each a name for the report, and its bytes in pieces of any size."""
        chain = self.begin_chain(**options)
        for name, chunks in files:
            chain.next_file(name)
            for chunk in chunks:
                if not chain.push(chunk):
                    break
        return chain.finish()


def _options(
    policy: Optional[str],
    origin: Optional[str],
    mac_keys: Iterable[bytes],
    wrapping_keys: Optional[Mapping[str, bytes]],
    time: Optional[int],
) -> Record:
    wrapping = [_record(label=label, key=key) for label, key in (wrapping_keys or {}).items()]
    return _record(policy=policy, origin=origin, mac_keys=list(mac_keys), wrapping_keys=wrapping, time=time)


def _record(**fields: Any) -> Record:
    """A record of the interface, whose names have dashes."""
    record = Record()
    for name, value in fields.items():
        setattr(record, name.replace("_", "-"), value)
    return record


class _Reading:
    """What reads bytes in an instance of its own: a resource of the interface."""

    _RESOURCE: str

    def __init__(self, engine: Engine, component: Component, options: Record) -> None:
        self._store = Store(engine)
        self._instance = Linker(engine).instantiate(self._store, component)
        self._interface = self._instance.get_export_index(self._store, _INTERFACE)
        begun = self._function("static", "begin", options)
        if isinstance(begun, Variant):
            begun = begun.payload
        if not isinstance(begun, ResourceAny):
            raise OptionsError(begun.wrong, begun.message, begun.line, begun.column)
        self._handle = begun

    def push(self, data: bytes) -> bool:
        """Takes the next bytes; whether more are needed."""
        return bool(self._call("push", bytes(data)))

    def progress(self) -> tuple[int, int]:
        """Bytes and lines so far, of the file that is read."""
        now = self._call("progress")
        return now.bytes, now.lines

    def _call(self, name: str, *arguments: Any) -> Any:
        return self._function("method", name, self._handle, *arguments)

    def _function(self, kind: str, name: str, *arguments: Any) -> Any:
        name = f"[{kind}]{self._RESOURCE}.{name}"
        index = self._instance.get_export_index(self._store, name, self._interface)
        function = self._instance.get_func(self._store, index)
        result = function(self._store, *arguments)
        function.post_return(self._store)
        return result


class Verification(_Reading):
    """A verification under way."""

    _RESOURCE = "verification"

    def finish(self) -> Report:
        """The report, when there are no more bytes."""
        return _report(self._call("finish"))


class Chain(_Reading):
    """A verification of archives under way."""

    _RESOURCE = "chain"

    def next_file(self, name: str) -> None:
        """What is pushed from now on is the next file. ValueError for more than a chain may have."""
        answer = self._call("next-file", name)
        most = answer.payload if isinstance(answer, Variant) else answer
        if most is not None:
            raise ValueError(f"a chain has at most {most} files")

    def finish(self) -> ChainReport:
        """The report, when there are no more files."""
        found = self._call("finish")
        return ChainReport(
            verdict=found.verdict,
            faults=tuple(Fault(fault.code, fault.file, fault.detail) for fault in found.faults),
            missing=tuple(MissingArchive(_head(gone.head), gone.before, gone.signed) for gone in found.missing),
            files=tuple((file.name, _report(file.report)) for file in found.files),
            json=found.json,
            text=found.text,
        )


def _report(found: Any) -> Report:
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
        continues=found.continues and _head(found.continues),
        json=found.json,
        text=found.text,
    )


def _head(head: Any) -> LogHead:
    return LogHead(origin=head.origin, size=head.size, root=bytes(head.root))


def verify(chunks: Union[bytes, Iterable[bytes]], **options: Any) -> Report:
    """Verifies a log from its bytes. Options are those of `Verifier.begin`, and `progress`."""
    return Verifier().verify([chunks] if isinstance(chunks, (bytes, bytearray)) else chunks, **options)


def verify_chain(paths: Iterable[Union[str, "os.PathLike[str]"]], **options: Any) -> ChainReport:
    """Verifies archives as they lie in files, oldest first. Options are those of `Verifier.begin_chain`."""
    return Verifier().verify_chain(((os.fspath(path), _chunks(path)) for path in paths), **options)


def verify_file(path: Union[str, "os.PathLike[str]"], **options: Any) -> Report:
    """Verifies a log as it lies in a file."""
    return verify(_chunks(path), **options)


def _chunks(path: Union[str, "os.PathLike[str]"]) -> Iterable[bytes]:
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(_CHUNK_BYTES), b"")
