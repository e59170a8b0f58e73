"""`cartctl templates eject`: the shipped templates as files to edit, without ever overwriting one."""

from pathlib import Path

from cartctl.resources import shipped_templates
from tests.shop import Cli, Shop

SHIPPED = sorted(
    path.relative_to(shipped_templates()).as_posix() for path in shipped_templates().rglob("*") if path.is_file()
)
MINE = Path("mine")


def there() -> list[str]:
    return sorted(path.relative_to(MINE).as_posix() for path in MINE.rglob("*") if path.is_file())


def test_everything_is_copied_as_it_is_and_a_second_time_nothing_changes(cli: Cli) -> None:
    outcome = cli("templates", "eject", "mine")
    assert there() == SHIPPED
    assert all((MINE / name).read_bytes() == (shipped_templates() / name).read_bytes() for name in SHIPPED)
    assert {"cart-recovery/sequence.toml", "shared/layout.mjml", "pages/cart.html"} <= set(SHIPPED)
    assert outcome.out == (
        f"mine: {len(SHIPPED)} files copied, 0 were there already\n"
        'To use them, write templates = "mine" into cartctl.toml. What you delete there comes from cartctl again\n'
    )
    again = cli("templates", "eject", "mine", "--json")
    assert again.json == {"copied": [], "same": SHIPPED, "kept": []}


def test_a_file_that_was_edited_is_named_and_left(cli: Cli) -> None:
    (MINE / "cart-recovery").mkdir(parents=True)
    edited = MINE / "cart-recovery" / "reminder.txt"
    edited.write_text("ours")
    outcome = cli("templates", "eject", "mine", ok=False)
    assert outcome.exit_code == 1
    assert outcome.err == f"cartctl: {edited}: differs from the one that comes with cartctl: it was left as it is\n"
    assert edited.read_text() == "ours"
    assert there() == SHIPPED, "what was missing is there now"


def test_one_sequence_alone(cli: Cli) -> None:
    cli("templates", "eject", "mine", "cart-recovery")
    assert there() == [name for name in SHIPPED if name.startswith("cart-recovery/")]
    outcome = cli("templates", "eject", "mine", "cart-recvery", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err == ('cartctl: no sequence "cart-recvery" comes with cartctl (did you mean "cart-recovery"?)\n')


def test_what_was_ejected_is_used_once_it_is_configured(shop: Shop) -> None:
    shop.cli("templates", "eject", "mine")
    shop.configure('templates = "mine"\n')
    text = (MINE / "cart-recovery" / "reminder.txt").read_text(encoding="utf-8")
    (MINE / "cart-recovery" / "reminder.txt").write_text(f"{text}{{{{ cupon }}}}", encoding="utf-8")
    assert "cart-recovery/reminder.txt" in shop.cli("sequences", "check", "cart-recovery", ok=False).err
    outcome = shop.cli("templates", "eject", "mine", ok=False)
    assert "They are in use already. Next: cartctl sequences check" in outcome.out


def test_a_folder_that_cannot_be_made_is_named(cli: Cli) -> None:
    Path("mine").write_text("a file")
    outcome = cli("templates", "eject", "mine", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith("cartctl: mine/")
    assert "cannot be written" in outcome.err


def test_a_link_that_leads_out_of_the_folder_is_refused(cli: Cli) -> None:
    MINE.mkdir()
    Path("elsewhere").mkdir()
    (MINE / "shared").symlink_to(Path("elsewhere").resolve())
    outcome = cli("templates", "eject", "mine", ok=False)
    assert outcome.exit_code == 2
    assert outcome.err.startswith("cartctl: mine/shared is a link that leads out of mine")
    assert (list(Path("elsewhere").iterdir()), there()) == ([], [])
