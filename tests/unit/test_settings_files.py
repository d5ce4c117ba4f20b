"""Which files with settings are read: those that were named, and the user's own in the current folder."""

import os
import stat
from types import SimpleNamespace

import pytest

from speechhub.errors import ConfigurationError
from speechhub.settings import files, read_settings


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The current folder, with both files in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "speechhub.toml").write_text("port = 1\nqueue_limit = 1\n")
    (tmp_path / ".env").write_text("SPEECHHUB_QUEUE_LIMIT=2\n")
    for path in (tmp_path / "speechhub.toml", tmp_path / ".env"):
        path.chmod(0o644)
    return tmp_path


@pytest.fixture
def owned_by(monkeypatch):
    """Have files seem to belong to somebody else."""

    def change(uid, *, links_only=False):
        def altered(status):
            return os.stat_result([*status[:4], uid, *status[5:10]])

        class Os:
            def __getattr__(self, name):
                return getattr(os, name)

            def lstat(self, path):
                return altered(os.lstat(path))

            def fstat(self, descriptor):
                return os.fstat(descriptor) if links_only else altered(os.fstat(descriptor))

        monkeypatch.setattr(files, "os", Os())

    return change


def read(*, here=True, environ=None, **options):
    home = {"SPEECHHUB_HOME": "/nowhere"}
    return read_settings(current_folder=here, environ=home | (environ or {}), **options)


def figures(reading):
    return reading.settings.port, reading.settings.queue_limit


def test_only_those_who_ask_read_the_current_folder(folder):
    """A command in somebody's folder takes no settings from it, and can say which files it left alone."""
    reading = read(here=False)

    assert figures(reading) == (8000, 32)
    assert [str(one.path) for one in reading.ignored] == ["speechhub.toml", ".env"]
    assert all("--config ." in one.text for one in reading.ignored)
    assert reading.files == ()


def test_the_file_of_another_program_is_not_told(folder):
    """A .env without a setting of ours is nothing to tell of."""
    (folder / ".env").write_text("DATABASE_URL=x\n")
    (folder / "speechhub.toml").unlink()

    assert read(here=False).ignored == ()


def test_a_server_reads_the_users_own_files(folder):
    """Both files count, and the reading says which."""
    reading = read()

    assert figures(reading) == (1, 2)
    assert sorted(str(file.path) for file in reading.files) == [".env", "speechhub.toml"]
    assert reading.ignored == ()
    assert reading.origins["queue_limit"] == "SPEECHHUB_QUEUE_LIMIT in the file .env"


@pytest.mark.scenario("foreign-settings")
def test_what_others_own_is_left_alone(owned_by):
    """A file that belongs to another user than this one and root does not count, and the reason is said."""
    owned_by(os.geteuid() + 4711)

    reading = read()

    assert figures(reading) == (8000, 32)
    assert len(reading.ignored) == 2
    assert all("belongs to user" in one.text and "--config" in one.text for one in reading.ignored)


def test_roots_files_count(owned_by):
    """What root laid there is as good as one's own."""
    owned_by(0)

    assert figures(read()) == (1, 2)


def test_a_link_of_others_is_left_alone(owned_by, folder):
    """A link that somebody else laid leads to no settings, even if the file behind it is the user's own."""
    (folder / "real").write_text("port = 5\n")
    (folder / "speechhub.toml").unlink()
    (folder / "speechhub.toml").symlink_to(folder / "real")
    owned_by(os.geteuid() + 4711, links_only=True)

    assert "speechhub.toml" in {str(one.path) for one in read().ignored}


@pytest.mark.scenario("foreign-settings")
@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602, 0o777])
def test_what_everybody_can_write_is_left_alone(folder, mode):
    """Such a file is anybody's word."""
    (folder / "speechhub.toml").chmod(mode)
    (folder / ".env").chmod(mode)

    reading = read()

    assert figures(reading) == (8000, 32)
    assert all("chmod o-w" in one.text for one in reading.ignored)


@pytest.mark.parametrize(
    ("group", "members", "first", "counts"),
    [
        ("me", [], True, True), ("me", ["me"], True, True), ("me", ["me", "you"], True, False),
        ("staff", [], True, False), ("me", [], False, False), ("staff", ["me"], False, False),
    ],
)  # fmt: skip
def test_a_group_of_ones_own_may_write(folder, monkeypatch, group, members, first, counts):
    """Umask 002 writes files for the group; it does no harm where the group is the user's alone."""
    (folder / "speechhub.toml").chmod(0o664)
    gid = (folder / "speechhub.toml").stat().st_gid
    user = SimpleNamespace(pw_name="me", pw_gid=gid if first else gid + 1)
    monkeypatch.setattr(files.pwd, "getpwuid", lambda uid: user)
    monkeypatch.setattr(files.grp, "getgrgid", lambda gid: SimpleNamespace(gr_name=group, gr_mem=members))

    reading = read()

    assert (reading.settings.port == 1) is counts
    assert ["chmod g-w" in one.text for one in reading.ignored] == ([] if counts else [True])


def test_a_group_without_a_name_is_not_ones_own(folder, monkeypatch):
    """In a container without /etc/passwd it cannot be told whose the group is."""

    def unknown(number):
        raise KeyError(number)

    (folder / "speechhub.toml").chmod(0o664)
    monkeypatch.setattr(files.pwd, "getpwuid", unknown)
    monkeypatch.setattr(files.grp, "getgrgid", unknown)

    assert [str(one.path) for one in read().ignored] == ["speechhub.toml"]


@pytest.mark.scenario("foreign-settings-with-keys")
def test_a_server_does_not_start_without_the_keys_of_a_file_that_it_may_not_read(folder):
    """With keys in such a file, starting without it would let anyone in."""
    (folder / ".env").write_text("SPEECHHUB_API_KEYS=hush\n")
    (folder / ".env").chmod(0o666)

    with pytest.raises(ConfigurationError, match=r"chmod o-w \.env.*anyone could use the server") as caught:
        read()

    assert "hush" not in caught.value.message
    assert read(environ={"SPEECHHUB_API_KEYS": "other"}).settings.api_keys
    (folder / ".env").write_text("SPEECHHUB_ADMIN_KEYS=hush\n")
    with pytest.raises(ConfigurationError, match="or operate it"):
        read(environ={"SPEECHHUB_API_KEYS": "other"})
    assert read(here=False).settings.api_keys == ()


def test_what_is_no_file_is_not_read(folder):
    """A folder in the place of a file, or a pipe, holds up nothing and is not read."""
    (folder / ".env").unlink()
    os.mkfifo(folder / ".env")
    (folder / "speechhub.toml").unlink()
    (folder / "speechhub.toml").mkdir()

    reading = read()

    assert [one.reason for one in reading.ignored] == ["is not a file"]
    assert figures(reading) == (8000, 32)
    assert read(here=False).ignored == ()


@pytest.mark.parametrize("by", ["option", "environment"])
@pytest.mark.parametrize(
    ("name", "expected"),
    [(".", (1, 2)), ("speechhub.toml", (1, 1)), (".env", (8000, 2)), ("own.env", (8000, 9))],
)
def test_what_is_named_is_read(folder, owned_by, by, name, expected):
    """A file or folder that was named counts for every command, also another user's, as in a container."""
    (folder / "own.env").write_text("SPEECHHUB_QUEUE_LIMIT=9\n")
    owned_by(os.geteuid() + 4711)

    if by == "option":
        reading = read(here=False, config_file=folder / name)
    else:
        reading = read(here=False, environ={"SPEECHHUB_CONFIG": str(folder / name)})

    assert figures(reading) == expected
    assert reading.ignored == ()
    assert all(file.named for file in reading.files)


def test_a_named_file_that_everybody_can_write_is_read_and_told(folder):
    """Some file systems know no modes, so it counts; who can do something about it is told."""
    (folder / "speechhub.toml").chmod(0o666)

    (file,) = read(here=False, config_file=folder / "speechhub.toml").files

    assert "chmod o-w" in file.remark


def test_a_named_folder_without_settings_is_an_error(folder):
    """A folder that was named must hold something to read."""
    (folder / "empty").mkdir()

    with pytest.raises(ConfigurationError, match=r"neither speechhub\.toml nor \.env"):
        read(config_file=folder / "empty")


def test_a_named_toml_file_leaves_the_server_its_env_file(folder):
    """With a TOML file that is named, .env in the current folder counts as before; with another .env not."""
    (folder / "other.toml").write_text("port = 7\n")
    (folder / "other.env").write_text("SPEECHHUB_PORT=6\n")

    assert figures(read(config_file=folder / "other.toml")) == (7, 2)
    assert figures(read(config_file=folder / "other.env")) == (6, 32)


def test_a_file_of_variables_may_lead_to_a_toml_file(folder, owned_by):
    """What SPEECHHUB_CONFIG in .env names has to be as much the user's own as the file itself."""
    (folder / "more.toml").write_text("port = 7\n")
    (folder / ".env").write_text("SPEECHHUB_CONFIG=more.toml\n")
    (folder / "more.toml").chmod(0o644)
    assert read().settings.port == 7

    (folder / "more.toml").chmod(0o666)
    with pytest.raises(ConfigurationError, match=r"chmod o-w more\.toml"):
        read()


@pytest.mark.parametrize(
    ("where", "named"),
    [("environment", True), ("option", True), ("folder", False), ("mirror", False), ("HF_ENDPOINT", True)],
)
def test_who_named_the_hub(folder, where, named):
    """A hub gets the token if the operator named it, and not if a file that lay there did, or a profile."""
    (folder / "speechhub.toml").write_text(
        'hf_endpoint = "https://hub.example"\n' if where in ("folder", "option") else ""
    )
    environ = {
        "environment": {"SPEECHHUB_HF_ENDPOINT": "https://hub.example"},
        "mirror": {"SPEECHHUB_MIRROR": "china"},
        "HF_ENDPOINT": {"HF_ENDPOINT": "https://hub.example"},
    }.get(where, {})

    reading = read(environ=environ, config_file=folder / "speechhub.toml" if where == "option" else None)

    assert reading.hub_named is named


def test_a_home_that_such_a_file_names_names_no_hub(folder):
    """The settings in a home folder are as good as the word that led there."""
    (folder / "speechhub.toml").unlink()
    (folder / "theirs").mkdir()
    (folder / "theirs" / "config.toml").write_text('hf_endpoint = "https://hub.example"\n')
    (folder / ".env").write_text(f"SPEECHHUB_HOME={folder / 'theirs'}\n")

    found = read_settings(current_folder=True, environ={})
    told = read_settings(current_folder=True, environ={"SPEECHHUB_HOME": str(folder / "theirs")})

    assert found.settings.hf_endpoint == told.settings.hf_endpoint == "https://hub.example"
    assert (found.hub_named, told.hub_named) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        "SPEECHHUB_HF_ENDPOINT=https://evil.example/${HF_TOKEN}\n",
        "A=x${HF_TOKEN:-none}\nSPEECHHUB_HOME=/tmp/${A}\n",
        "SPEECHHUB_MODELSCOPE_ENDPOINT=https://${PROXY}\n",
    ],
)
def test_no_secret_gets_into_an_address(folder, text):
    """A file that lies there cannot have a token sent away as a part of an address."""
    (folder / ".env").write_text(text)
    secrets = {"HF_TOKEN": "hf_hush", "PROXY": "http://me:hush@proxy"}

    with pytest.raises(ConfigurationError, match=r"which is secret.*--config \.env") as caught:
        read(environ=secrets)

    assert "hush" not in caught.value.message
    assert read(here=False, environ=secrets, config_file=folder / ".env").settings


def test_other_variables_are_put_in(folder):
    """Variables of the environment and of the file itself are replaced, and keys may come from there."""
    (folder / ".env").write_text(
        "BASE=/srv\nSPEECHHUB_HOME=${BASE}/${WHO}/${MISSING:-x}\nSPEECHHUB_API_KEYS=${MY_KEY}\n"
    )

    reading = read_settings(current_folder=True, environ={"WHO": "me", "MY_KEY": "hush"})

    assert str(reading.settings.home) == "/srv/me/x"
    assert [key.reveal() for key in reading.settings.api_keys] == ["hush"]


def test_a_file_of_settings_has_a_limit(folder):
    """Nothing is read that is no file with settings."""
    (folder / "speechhub.toml").write_text("#" * (files.MAX_FILE_BYTES + 1))

    with pytest.raises(ConfigurationError, match="larger than"):
        read()


def test_modes_are_what_the_tests_mean(folder):
    """The files of these tests have the modes that they were given."""
    assert stat.S_IMODE((folder / ".env").stat().st_mode) == 0o644
