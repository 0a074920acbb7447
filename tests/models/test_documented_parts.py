"""The code in the guides to new backbones and decoders runs and prints what it says."""

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / 'docs'


@pytest.mark.parametrize('name', ['add_a_backbone', 'add_a_decoder'])
def test_guide(name, capsys):
    blocks = re.findall(r'```python\n(.*?)```', (DOCS / f'{name}.md').read_text(), re.DOTALL)
    code = '\n'.join(blocks)
    exec(compile(code, name, 'exec'), {})
    printed = capsys.readouterr().out.splitlines()
    assert printed == re.findall(r'# ([({].*)$', code, re.MULTILINE)
