"""What the tests of pages need from a browser: Chromium from the system, and axe's list of findings."""

import os, shutil, subprocess


def chromium_path() -> str | None:
    """Return the system's Chromium or Chrome, or None. The variable CHROMIUM names another one."""
    return os.environ.get("CHROMIUM") or next(
        (
            found
            for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
            if (found := shutil.which(name))
        ),
        None,
    )


def serious_findings(
    page,  # an open page
) -> list[str]:
    """Return axe's findings of serious or critical impact: rule, and the elements concerned."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], "iframes": False}).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): "
        + "; ".join(node["html"][:140] for node in each["nodes"][:4])
        + f" ({len(each['nodes'])} in all)"
        for each in found
        if each["impact"] in ("serious", "critical")
    ]


MISSING_GLYPHS = """place => {
  const size = 32, canvas = Object.assign(document.createElement("canvas"), {width: 2 * size, height: 2 * size});
  const pen = canvas.getContext("2d", {willReadFrequently: true});
  const found = document.querySelector(place), shown = /[\\p{L}\\p{N}\\p{P}\\p{S}]/u;
  const drawn = text => {
    pen.clearRect(0, 0, 2 * size, 2 * size);
    pen.font = size + "px " + getComputedStyle(found).fontFamily;
    pen.fillText(text, 8, size + 8);
    return pen.getImageData(0, 0, 2 * size, 2 * size).data.join();
  };
  const box = drawn("\\u{10FFFE}"), seen = [...new Set(found.innerText)].filter(letter => shown.test(letter));
  return seen.filter(letter => drawn(letter) === box);
}"""


def missing_glyphs(
    page,  # an open page
    place: str = "body",  # the part of it that is looked at
) -> list[str]:
    """Return the characters of a page that its fonts draw as an empty box: those that look like a code point that no
    font has.
    """
    return page.evaluate(MISSING_GLYPHS, place)


def languages_with_fonts(
    codes,  # BCP-47 codes
) -> set[str]:
    """Return the languages that some font of this machine can write; all where fontconfig does not say."""
    if not shutil.which("fc-list"):
        return set(codes)
    return {
        code
        for code in codes
        if subprocess.run(["fc-list", f":lang={code}", "family"], capture_output=True, text=True).stdout.strip()
    }
