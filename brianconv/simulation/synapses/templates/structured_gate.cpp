{# Maximum pooling: a spike passes where its neuron has accumulated most in the window; the first one if several have. #}
{% extends 'structured.cpp' %}
{% block scalars %}
{% endblock %}
{% block propagate %}
    {
    const size_t _vectorisation_idx = -1;
    {{scalar_code['gate']|autoindent}}
    for (int _s = 0; _s < _n_spikes; _s++)
    {
        const int _presynaptic_idx = _spikes[_s];
        const size_t _vectorisation_idx = _presynaptic_idx;
        {{vector_code['gate']|autoindent}}
        {{_accumulated}}[_presynaptic_idx - {{_structure.source_start}}] += _increment;
    }
    }
    const size_t _vectorisation_idx = -1;
    {{scalar_code['pass']|autoindent}}
    {% for phase in ('choose', 'pass') %}
    for (int _s = 0; _s < _n_spikes; _s++)
    {
        const int _presynaptic_idx = _spikes[_s], _neuron = _presynaptic_idx - {{_structure.source_start}};
        const int _channel = _neuron % {{_structure.channels}}, _column = _neuron / {{_structure.channels}} % {{_structure.columns}}, _row = _neuron / {{_structure.channels * _structure.columns}};
        for (int _r = {{_row_start}}[_row]; _r < {{_row_start}}[_row + 1]; _r++)
        for (int _c = {{_column_start}}[_column]; _c < {{_column_start}}[_column + 1]; _c++)
        for (int _x = {{_column_output}}[_c]; _x < {{_column_output}}[_c] + {{_column_length}}[_c]; _x++)
        {
            const int _window = ({{_row_output}}[_r] * {{_structure.output_columns}} + _x) * {{_structure.channels}} + _channel;
            {% if phase == 'choose' %}
            int32_t &_leader = {{_leading}}[_window];
            const bool _more = _leader < 0 || {{_accumulated}}[_neuron] > {{_accumulated}}[_leader];
            if (_more || ({{_accumulated}}[_neuron] == {{_accumulated}}[_leader] && _neuron < _leader)) _leader = _neuron;
            {% else %}
            if ({{_leading}}[_window] != _neuron) continue;
            const int _postsynaptic_idx = {{_structure.target_start}} + _window;
            const size_t _vectorisation_idx = _postsynaptic_idx;
            {{vector_code['pass']|autoindent}}
            {% endif %}
        }
    }
    {% endfor %}
{% endblock %}
