"""A column becomes ciphertext, while versions of the code that know it and that do not work side by side."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.support import Database, Make

STEPS = ["encrypt_shift_contact_phone", "require_shift_contact_phone_encrypted", "drop_shift_contact_phone"]
LEFT = """
    SELECT id, phone FROM shift_contacts WHERE phone IS NOT NULL AND phone_encrypted IS NULL
    ORDER BY id LIMIT :size FOR UPDATE
"""
PHONES = ["+49 30 1234567", "", "0", "not a phone", "☎ ١٢٣", "9" * 10_000]


class Cipher:
    """The application's, with its key. It stands for AES-GCM of a library: the server sees no difference."""

    def __init__(self) -> None:
        self.key = secrets.token_bytes(32)

    def encrypt(self, phone: str | None) -> bytes | None:
        """Return the ciphertext, which is another one each time."""
        if phone is None:
            return None
        nonce, plain = secrets.token_bytes(16), phone.encode()
        sealed = nonce + bytes(a ^ b for a, b in zip(plain, self._stream(nonce, len(plain)), strict=True))
        return b"\x01" + sealed + hmac.digest(self.key, sealed, "sha256")

    def decrypt(self, value: bytes | None) -> str | None:
        """Return what was encrypted."""
        if value is None:
            return None
        number, sealed, tag = value[0], value[1:-32], value[-32:]
        assert number == 1
        assert hmac.compare_digest(tag, hmac.digest(self.key, sealed, "sha256"))
        nonce, body = sealed[:16], sealed[16:]
        return bytes(a ^ b for a, b in zip(body, self._stream(nonce, len(body)), strict=True)).decode()

    def _stream(self, nonce: bytes, length: int) -> bytes:
        return hashlib.shake_256(self.key + nonce).digest(length)


@dataclass
class Code:
    """One version of the application: which columns it writes, and which one it reads."""

    writes: tuple[str, ...]
    reads: str
    cipher: Cipher

    def _values(self, phone: str | None) -> dict[str, Any]:
        both = {"phone": phone, "phone_encrypted": self.cipher.encrypt(phone)}
        return {column: both[column] for column in self.writes}

    def add(self, database: Database, phone: str | None) -> Any:
        return database.insert("shift_contacts", name="Ada", **self._values(phone))

    def change(self, database: Database, id_: Any, phone: str | None) -> None:
        values = self._values(phone)
        places = ", ".join(f"{column} = :{column}" for column in values)
        database.execute(f"UPDATE shift_contacts SET {places} WHERE id = :id", id=id_, **values)

    def read(self, database: Database, id_: Any) -> str | None:
        found = database.value(f"SELECT {self.reads} FROM shift_contacts WHERE id = :id", id=id_)
        return self.cipher.decrypt(found) if self.reads == "phone_encrypted" else found


def versions(cipher: Cipher) -> list[Code]:
    """Return the application's versions, in the order of their deploys."""
    both = ("phone", "phone_encrypted")
    return [
        Code(("phone",), "phone", cipher),
        Code(both, "phone", cipher),
        Code(both, "phone_encrypted", cipher),
        Code(("phone_encrypted",), "phone_encrypted", cipher),
    ]


def job(database: Database, cipher: Cipher, size: int = 2) -> int:
    """Encrypt what is older, as the application does: a batch in a transaction. Return how many rows."""
    done = 0
    while True:
        with database.engine.begin() as connection:
            rows = connection.execute(text(LEFT), {"size": size}).all()
            for id_, phone in rows:
                connection.execute(
                    text("UPDATE shift_contacts SET phone_encrypted = :value WHERE id = :id"),
                    {"id": id_, "value": cipher.encrypt(phone)},
                )
        done += len(rows)
        if not rows:
            return done


def assert_side_by_side(database: Database, old: Code, new: Code) -> None:
    """Check that each of two versions reads what the other has written, and cleared."""
    for writer, reader in ((old, new), (new, old)):
        id_ = writer.add(database, "first")
        assert reader.read(database, id_) == "first"
        for phone in ("second", None, "third"):
            writer.change(database, id_, phone)
            assert reader.read(database, id_) == phone
            reader.change(database, id_, f"{phone} again")
            assert writer.read(database, id_) == f"{phone} again"


def test_no_version_of_the_code_misses_what_the_other_has_written_and_every_phone_survives(
    before: Make,
) -> None:
    database, cipher = before(STEPS[0]), Cipher()
    code = versions(cipher)
    phones = {code[0].add(database, phone): phone for phone in PHONES}
    database.upgrade(STEPS[0])
    assert_side_by_side(database, code[0], code[1])
    assert job(database, cipher) >= len(PHONES)
    database.upgrade(STEPS[1])
    for old, new in pairwise(code[1:]):
        assert_side_by_side(database, old, new)
    database.upgrade(STEPS[2])
    assert {id_: code[3].read(database, id_) for id_ in phones} == phones
    code[3].change(database, code[3].add(database, "fourth"), None)


def test_what_old_code_changes_after_it_was_encrypted_is_encrypted_again(after: Make) -> None:
    database, cipher = after(STEPS[0]), Cipher()
    old, new, *_ = versions(cipher)
    id_ = new.add(database, "before")
    old.change(database, id_, "after")
    assert job(database, cipher) == 1
    assert job(database, cipher) == 0
    stored = database.value("SELECT phone_encrypted FROM shift_contacts WHERE id = :id", id=id_)
    assert cipher.decrypt(stored) == "after"
    # Code that changes something else, or writes the same phone again, takes nothing away.
    database.execute("UPDATE shift_contacts SET name = 'Eve' WHERE id = :id", id=id_)
    old.change(database, id_, "after")
    assert job(database, cipher) == 0


def test_the_gate_stays_shut_while_one_phone_is_left_and_changes_nothing(after: Make) -> None:
    database, cipher = after(STEPS[0]), Cipher()
    old, new, *_ = versions(cipher)
    new.add(database, "encrypted")
    old.add(database, None)
    left = old.add(database, "")  # empty, and still a value
    before = database.snapshot()
    with pytest.raises(DBAPIError, match="1 rows of shift_contacts have a phone that is not encrypted"):
        database.upgrade(STEPS[2])
    assert database.snapshot() == before
    assert job(database, cipher) == 1
    database.upgrade(STEPS[2])
    assert (
        cipher.decrypt(database.value("SELECT phone_encrypted FROM shift_contacts WHERE id = :id", id=left))
        == ""
    )


def test_the_plain_values_are_in_the_file_until_the_table_is_written_again(after: Make) -> None:
    database, cipher = after(STEPS[0]), Cipher()
    new = versions(cipher)[1]
    new.add(database, "plain-and-legible")
    database.upgrade(STEPS[2])

    def file() -> bytes:
        database.execute("CHECKPOINT")
        content = database.value("SELECT pg_read_binary_file(pg_relation_filepath('shift_contacts'))")
        return bytes(content)

    assert b"plain-and-legible" in file()
    with database.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.execute(text("VACUUM FULL shift_contacts"))
    assert b"plain-and-legible" not in file()


def test_the_way_back_is_an_empty_phone_that_the_application_fills(after: Make) -> None:
    database, cipher = after(STEPS[2]), Cipher()
    id_ = versions(cipher)[3].add(database, "kept")
    database.downgrade(STEPS[2])
    assert database.query("SELECT phone FROM shift_contacts WHERE id = :id", id=id_) == [(None,)]
    assert versions(cipher)[2].read(database, id_) == "kept"
