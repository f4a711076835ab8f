"""The page of the service in headless Chromium: search, click, and the list follows."""

import json
import os
from pathlib import Path

import pytest
from browser import CHROMIUM, Browser
from serving import SAMPLE, rating_model, serving

from autorec.serve.app import KEY

TITLES = "[...document.querySelectorAll('#%s .title')].map(one => one.textContent)"
TYPE = "at('%s').value = '%s'; at('%s').dispatchEvent(new Event('%s'))"


def type_in(browser: Browser, where: str, text: str, event: str) -> None:
    browser.run(TYPE % (where, text, where, event))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_what_is_liked_changes_the_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a key, at the widths of a desk and of a phone; a title is text, whatever it holds."""
    model = rating_model()
    hostile = "<img src=x onerror=document.title='!'> Hotel"
    assert SAMPLE.titles is not None
    titles = SAMPLE.titles.copy()
    titles[SAMPLE.item_counts.argmax()] = hostile
    object.__setattr__(model.ratings_, "titles", titles)
    model.save(tmp_path / "m")
    monkeypatch.setitem(os.environ, KEY, "secret")
    with serving(tmp_path / "m") as (_, client), Browser(tmp_path / "profile") as browser:
        browser.call("Page.navigate", url=str(client.base_url))
        browser.wait("document.readyState === 'complete' && !at('ask-key').hidden")
        type_in(browser, "key", "secret", "change")
        before = browser.wait(f"at('ask-key').hidden && {TITLES % 'list'}.length == 15 && {TITLES % 'list'}")
        type_in(browser, "search", "HOTEL", "input")
        found = browser.wait(f"{TITLES % 'found'}.every(one => /hotel/i.test(one)) && {TITLES % 'found'}")
        assert found[0] == hostile and browser.run("document.title") == "AutoRec"
        browser.run("document.querySelectorAll('#found button')[1].click()")
        assert browser.wait(f"{TITLES % 'liked'}.length && {TITLES % 'liked'}") == [found[1]]
        after = browser.wait(f"at('source').textContent.startsWith('By what') && {TITLES % 'list'}")
        assert after != before and found[1] not in after
        browser.run("document.querySelector('#liked button').click()")
        assert browser.wait(f"at('source').textContent.startsWith('Rated highest') && {TITLES % 'list'}") == before
        first = browser.wait("at('about').querySelector('.title')?.textContent")
        browser.run("at('about').querySelectorAll('button')[1].click()")
        assert browser.wait(f"{TITLES % 'liked'}.length && {TITLES % 'liked'}") == [first]
        assert browser.run("at('liked').textContent.includes('not for me')")
        second = browser.wait(f"{TITLES % 'about'}[0] !== {json.dumps(first)} && {TITLES % 'about'}[0]")
        browser.run("at('about').querySelectorAll('button')[2].click()")
        browser.wait(f"{TITLES % 'about'}[0] !== {json.dumps(second)}")
        for width in (1280, 390):
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
            browser.call("Emulation.setDeviceMetricsOverride", **size)
            assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.run("at('problem').hidden")
