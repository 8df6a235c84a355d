"""A page in headless Chromium: run a script in it, and read what it says."""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

CHROMIUM = next(
    (
        path
        for name in ("chromium", "chromium-browser", "google-chrome")
        if (path := shutil.which(name))
    ),
    None,
)


def outcome(page: Path, script: str) -> dict[str, Any]:
    """What the script returns, in a copy of the page beside it.

    script  body of an async function, after which the page is closed
    """
    assert CHROMIUM is not None
    probe = f"""<script>
    (async () => {{ {script} }})().catch((error) => ({{error: String(error)}})).then((said) => {{
      const pre = document.body.appendChild(document.createElement("pre"));
      pre.id = "outcome";
      pre.textContent = JSON.stringify(said);
    }});
    </script></body>"""
    copy = page.with_name("probe.html")
    copy.write_text(page.read_text().replace("</body>", probe))
    done = subprocess.run(
        [
            CHROMIUM,
            *("--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--virtual-time-budget=5000", "--window-size=1280,1000"),
            f"--user-data-dir={page.parent / 'chromium'}",
            copy.resolve().as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = re.search(r'<pre id="outcome">(.*?)</pre>', done.stdout, re.DOTALL)
    assert said is not None, done.stderr[-2000:]
    answer: dict[str, Any] = json.loads(html.unescape(said[1]))
    assert "error" not in answer, answer
    return answer
