"""The training log: losses as a table, everything else on one line."""

from types import SimpleNamespace

from mmengine.logging import MessageHub

from mtl3d.engine.multi_task_log_processor import MultiTaskLogProcessor, loss_table


def test_the_table_has_a_row_per_source_and_a_column_per_task():
    scalars = {
        'lr': 0.1,
        'decoder.depth': 0.5,
        'decoder.edge': 0.25,
        'decoder.inter.depth': 1.5,
        'decoder.loss_depth': 5.0,
        'decoder.loss_edge': 2.5,
        'decoder.inter.loss_depth': 15.0,
        'grad.norm': 3.0,  # no loss of that name
    }
    assert loss_table(scalars, 2) == [
        '    loss           depth  edge',
        '    decoder         0.50  0.25',
        '    decoder.inter   1.50      ',
    ]
    assert loss_table({'lr': 0.1}, 2) == []


def test_the_line_keeps_what_is_no_loss_and_values_are_averaged():
    hub = MessageHub.get_instance('log_processor_test')
    for value in (1.0, 3.0):
        hub.update_scalar('train/decoder.depth', value)
        hub.update_scalar('train/decoder.loss_depth', 10 * value)
        hub.update_scalar('train/alpha', value)
        hub.update_scalar('train/loss', value)
    runner = SimpleNamespace(message_hub=hub, iter=1, max_iters=7, _train_loop=object())
    processor = MultiTaskLogProcessor(num_digits=1)
    scalars, text = processor.get_log_after_iter(runner, 1, 'train')
    line, header, row = text.split('\n')
    assert line.split('  ') == ['Iter(train) [2/7]', '', 'alpha: 3.0', 'loss: 2.0']
    assert row.split() == ['decoder', '2.0']
    assert scalars['decoder.loss_depth'] == 20.0
