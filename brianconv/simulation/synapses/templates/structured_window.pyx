{# Every spike reaches the outputs whose window it lies in. #}
{% extends 'structured.pyx' %}
{% block propagate %}
    cdef int _neuron, _channel, _group, _column, _row, _r, _c, _step
    cdef int _targets, _weights, _first_target, _first_weight
    cdef int _n = _group_outputs
    for _s in range(_n_spikes):
        _presynaptic_idx = _spikes[_s]
        _neuron = _spikes[_s] - _source_start
        _channel = _neuron % _channels
        _group = _channel // _group_inputs
        _column = _neuron // _channels % _columns
        _row = _neuron // (_channels * _columns)
        for _r in range({{_row_start}}[_row], {{_row_start}}[_row + 1]):
            for _c in range({{_column_start}}[_column], {{_column_start}}[_column + 1]):
                _targets = _target_start + ({{_row_output}}[_r] * _output_columns + {{_column_output}}[_c]) * _output_channels + _group * _group_outputs
                _weights = (({{_row_kernel}}[_r] * _channels + _channel) * _kernel_columns + {{_column_kernel}}[_c]) * _group_outputs
                for _step in range({{_column_length}}[_c]):
                    _first_target = _targets + _step * _output_channels
                    _first_weight = _weights + _step * _group_outputs
                    for _k in range(_n):
                        _postsynaptic_idx = _first_target + _k
                        _kernel_idx = _first_weight + _k
                        _vectorisation_idx = _postsynaptic_idx
                        {{vector_code|autoindent}}
{% endblock %}
