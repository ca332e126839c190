"""One unit of one window on a GPU: the cells' own scalar functions, by the kind of cell."""

from __future__ import annotations

from gruforecast.cells import gru, lstm, rnn
from gruforecast.foundations.cuda.jit import gpu_part, on_gpu
from gruforecast.foundations.cuda.mathematics import ONE
from gruforecast.network.cuda.fields import GRU_AFTER, LSTM

_gru, _gru_backward = on_gpu(gru.unit_after), on_gpu(gru.unit_after_backward)
_lstm, _lstm_backward = on_gpu(lstm.unit), on_gpu(lstm.unit_backward)
_rnn, _rnn_backward = on_gpu(rnn.unit), on_gpu(rnn.unit_backward)
reset_before, unit_before = on_gpu(gru.reset_before), on_gpu(gru.unit_before)
blend_backward = on_gpu(gru.blend_backward)
reset_backward = on_gpu(gru.reset_backward)


@gpu_part
def unit_forward(kind, a, u, h, c):
    """Inputs and recurrent parts of up to four gates -> gates, what else is kept, h, c."""
    if kind == GRU_AFTER:
        return _gru(a, u, h, c)
    if kind == LSTM:
        return _lstm(a, u, h, c)
    return _rnn(a, u, h, c)


@gpu_part
def unit_backward(kind, gates, extra, h, c, d_h, d_c):
    """d_h, d_c -> gradients of inputs, of recurrent parts, of the h before directly, of c."""
    if kind == GRU_AFTER:
        return _gru_backward(gates, extra, h, c, d_h, d_c, ONE)
    if kind == LSTM:
        return _lstm_backward(gates, extra, h, c, d_h, d_c, ONE)
    return _rnn_backward(gates, extra, h, c, d_h, d_c, ONE)
