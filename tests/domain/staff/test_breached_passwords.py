"""A list of breached passwords is looked up on disk, whatever its last line and its size."""

import hashlib

import pytest

from statuspage.domain.staff import breached_passwords, passwords
from statuspage.domain.staff.breached_passwords import NotTheList
from statuspage.errors import Invalid

NAMES = ("Northwind", "bea", "example")
STOLEN = [f"stolen password {number}" for number in range(300)]


def line(password, count=7):
    return f"{hashlib.sha1(password.encode()).hexdigest().upper()}:{count}"


@pytest.fixture
def a_list(tmp_path):
    """`a_list(lines, end)` writes them as they are; without any, the stolen ones in order."""

    def write(lines=None, end="\r\n"):
        file = tmp_path / "breached"
        chosen = sorted(line(password) for password in STOLEN) if lines is None else lines
        file.write_bytes(end.join(chosen).encode())
        return file

    return write


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [0, 1, 2, 3, 299, 300])
def test_breached_list_finds_each_of_its_hashes_and_no_other(a_list, size, end):
    file = a_list(
        sorted(line(password, count=10 ** (len(password) % 6)) for password in STOLEN[:size]), end
    )
    assert [breached_passwords.holds(file, password) for password in STOLEN] == [
        number < size for number in range(len(STOLEN))
    ]
    assert breached_passwords.flaw(file) == (None if size else "is empty")


def test_breached_password_is_refused_with_a_reason(a_list):
    with pytest.raises(Invalid, match="is in public lists of stolen passwords"):
        passwords.check(STOLEN[42], names=NAMES, breached=a_list())
    passwords.check("correct horse battery", names=NAMES, breached=a_list())
    passwords.check(STOLEN[42], names=NAMES)


def test_unsorted_breached_list_is_detected(a_list):
    assert (
        breached_passwords.flaw(a_list([line(password) for password in STOLEN]))
        == "is not sorted by hash"
    )


@pytest.mark.parametrize(
    "lines",
    [
        ["password", "qwerty"],
        [line(STOLEN[0])[5:]],
        ["8846F7EAEE8FB117AD06BDD830B7586C:3"],
        ["x" * 1000],
    ],
)
def test_wrong_file_as_breached_list_refuses_every_password(a_list, lines):
    file = a_list(lines)
    assert "has a line" in breached_passwords.flaw(file)
    with pytest.raises(NotTheList):
        breached_passwords.holds(file, STOLEN[0])
    with pytest.raises(Invalid, match="to run flask check"):
        passwords.check(STOLEN[0], names=NAMES, breached=file)


def test_missing_breached_list_refuses_every_password(tmp_path):
    assert breached_passwords.flaw(tmp_path / "gone") == "cannot be read: No such file or directory"
    with pytest.raises(Invalid, match="to run flask check"):
        passwords.check(STOLEN[0], names=NAMES, breached=tmp_path / "gone")
