"""What the documents print exists: files, links, and the options of commands."""

import re

import pytest
from toy_run import ROOT

DOCUMENTS = sorted(
    [ROOT / 'README.md', *ROOT.glob('docs/*.md'), *ROOT.glob('configs/*/README.md')]
    + [*ROOT.glob('projects/*/README.md')]
)
FILE = re.compile(
    r'(?<![\w/.<-])(?:tools|configs|projects|docs|demo|mtl3d|requirements|tests)'
    r'/[\w/.-]*\.(?:py|sh|md|txt|json|png)\b'
)
CODE = re.compile(r'```.*?```|`[^`]*`', re.DOTALL)
LINK = re.compile(r'\]\((?!\w+:|#)([^)#\s]+)')
COMMAND = re.compile(r'(?:python|bash) (tools/[\w/]+\.(?:py|sh))((?:[^\n`]|\\\n)*)')
#: Shell scripts hand their options on.
BEHIND = {'tools/dist_train.sh': 'tools/train.py', 'tools/dist_test.sh': 'tools/test.py'}


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_links_exist(document):
    text = document.read_text()
    folders = (ROOT, document.parent)
    files = {f for f in FILE.findall(text) if not any((folder / f).exists() for folder in folders)}
    links = {f for f in LINK.findall(CODE.sub('', text)) if not (document.parent / f).exists()}
    assert not files | links


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_of_commands_exist(document):
    for tool, arguments in COMMAND.findall(document.read_text()):
        known = options_of(BEHIND.get(tool, tool))
        used = set(re.findall(r'(?<!\w)(--[a-z][\w-]*)', arguments.split('#')[0]))
        assert used <= known, f'{tool}: {used - known}'


def options_of(tool):
    """The options that a tool's sources define, those of the package's parsers included."""
    sources = [ROOT / tool, *ROOT.glob('mtl3d/apis/*.py'), *ROOT.glob('tools/benchmarks/*.py')]
    return {o for path in sources for o in re.findall(r"'(--[a-z][\w-]*)'", path.read_text())}
