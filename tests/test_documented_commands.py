"""What the documents print exists: files, folders, links, and the options of commands."""

import re

import pytest
from toy_run import ROOT

DOCUMENTS = sorted(
    [ROOT / 'README.md', *ROOT.glob('docs/*.md'), *ROOT.glob('configs/*/README.md')]
    + [*ROOT.glob('projects/*/README.md')]
)
FILE = re.compile(
    r'(?<![\w/.<-])(?:tools|configs|projects|docs|demo|mtl3d|requirements|tests)'
    r'/(?:[\w/.-]*\.(?:py|sh|md|txt|json|yml|png|jpg)\b|(?:\w+/)+(?![\w<*{/]))'
)
CODE = re.compile(r'```.*?```|`[^`]*`', re.DOTALL)
LINK = re.compile(r'\]\((?!\w+:)([^)#\s]*)#?([\w-]*)\)')
COMMAND = re.compile(r'(?:python|bash) (tools/[\w/]+\.(?:py|sh))((?:[^\n`]|\\\n)*)')
#: Shell scripts hand their options on.
BEHIND = {'tools/dist_train.sh': 'tools/train.py', 'tools/dist_test.sh': 'tools/test.py'}


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_links_exist(document):
    text = document.read_text()
    folders = (ROOT, document.parent)
    files = {f for f in FILE.findall(text) if not any((folder / f).exists() for folder in folders)}
    assert not files
    for target, anchor in LINK.findall(CODE.sub('', text)):
        page = document.parent / target if target else document
        assert page.exists(), target
        assert not anchor or anchor in anchors(page), f'{target}#{anchor}'


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_options_of_commands_exist(document):
    for tool, arguments in COMMAND.findall(document.read_text()):
        known = options_of(BEHIND.get(tool, tool))
        used = set(re.findall(r'(?<!\w)(--[a-z][\w-]*)', arguments.split('#')[0]))
        assert used <= known, f'{tool}: {used - known}'


def anchors(page):
    """The names of a page's headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w -]', '', heading.lower()).replace(' ', '-') for heading in headings}


def options_of(tool):
    """The options that a tool's sources define, those of the package's parsers included."""
    sources = [ROOT / tool, *ROOT.glob('mtl3d/apis/*.py'), *ROOT.glob('tools/benchmarks/*.py')]
    return {o for path in sources for o in re.findall(r"'(--[a-z][\w-]*)'", path.read_text())}
