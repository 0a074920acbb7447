"""The log has one table of all tasks after each evaluation."""

from toy_run import toy_cfg

from mtl3d.apis.test import test as evaluate
from mtl3d.apis.train import train


def test_validation_and_test_write_a_table(tmp_path):
    train(toy_cfg(tmp_path, {'max_iters': 4, 'train_cfg.val_interval': 2}))
    evaluate(toy_cfg(tmp_path), tmp_path / 'work' / 'iter_4.pth')
    text = ''.join(path.read_text() for path in sorted((tmp_path / 'work').glob('*/*.log')))
    titles = ('Validation after 2 iterations', 'Validation after 4 iterations', '  Test  ')
    tables = [text.split(title)[1].split('INFO')[0] for title in titles]
    for table in tables:
        rows = [line for line in table.splitlines() if '│' in line]
        assert all(len(line) <= 120 for line in rows)
        for metric in ('mIoU', 'rmse', 'delta_m'):
            assert any(metric in row for row in rows), table
    # The numbers are not said twice.
    lines = [line for line in text.splitlines() if ' Iter(' in line]
    assert any('Iter(test)' in line for line in lines)
    assert not any('mIoU' in line or 'delta_m' in line for line in lines)
    scalars = ''.join(path.read_text() for path in (tmp_path / 'work').glob('*/*.json'))
    assert 'semseg/mIoU' in scalars
