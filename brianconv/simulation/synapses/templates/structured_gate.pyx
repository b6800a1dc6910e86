{# Maximum pooling: a spike passes where its neuron has accumulated most in the window; the first one if several have. #}
{% extends 'structured.pyx' %}
{% block scalars %}
    _vectorisation_idx = 1
    {{scalar_code['gate']|autoindent}}
    {{scalar_code['pass']|autoindent}}
{% endblock %}
{% block propagate %}
    cdef int _neuron, _channel, _column, _row, _r, _c, _x, _window, _leader
    for _s in range(_n_spikes):
        _presynaptic_idx = _spikes[_s]
        _vectorisation_idx = _presynaptic_idx
        {{vector_code['gate']|autoindent}}
        {{_accumulated}}[_spikes[_s] - _source_start] += _increment
    {% for phase in ('choose', 'pass') %}
    for _s in range(_n_spikes):
        _presynaptic_idx = _spikes[_s]
        _neuron = _spikes[_s] - _source_start
        _channel = _neuron % _channels
        _column = _neuron // _channels % _columns
        _row = _neuron // (_channels * _columns)
        for _r in range({{_row_start}}[_row], {{_row_start}}[_row + 1]):
            for _c in range({{_column_start}}[_column], {{_column_start}}[_column + 1]):
                for _x in range({{_column_output}}[_c], {{_column_output}}[_c] + {{_column_length}}[_c]):
                    _window = ({{_row_output}}[_r] * _output_columns + _x) * _channels + _channel
                    _leader = {{_leading}}[_window]
                    {% if phase == 'choose' %}
                    if _leader < 0 or {{_accumulated}}[_neuron] > {{_accumulated}}[_leader]:
                        {{_leading}}[_window] = _neuron
                    elif {{_accumulated}}[_neuron] == {{_accumulated}}[_leader] and _neuron < _leader:
                        {{_leading}}[_window] = _neuron
                    {% else %}
                    if _leader == _neuron:
                        _postsynaptic_idx = _target_start + _window
                        _vectorisation_idx = _postsynaptic_idx
                        {{vector_code['pass']|autoindent}}
                    {% endif %}
    {% endfor %}
{% endblock %}
