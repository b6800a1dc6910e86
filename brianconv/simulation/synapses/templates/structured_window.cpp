{# Every spike reaches the outputs whose window it lies in. Up to four successive spikes from one place of the image
   share their targets and are added in one pass. #}
{% extends 'structured.cpp' %}
{% block propagate %}
    for (int _first = 0, _together; _first < _n_spikes; _first += _together)
    {
        const int _place = (_spikes[_first] - {{_structure.source_start}}) / {{_structure.group_inputs}};  // of the image, and group of channels
        const int _place_end = {{_structure.source_start}} + (_place + 1) * {{_structure.group_inputs}};
        _together = 1;
        while (_together < {{_structure.most_together}} && _first + _together < _n_spikes && _spikes[_first + _together] < _place_end)
            _together++;
        const int _pixel = _place / {{_structure.groups}}, _row = _pixel / {{_structure.columns}}, _column = _pixel % {{_structure.columns}};
        const int _pixel_start = {{_structure.source_start}} + _pixel * {{_structure.channels}};
        const int64_t _group = _place % {{_structure.groups}} * {{_structure.group_outputs}};
        const int _r_end = {{_row_start}}[_row + 1], _c_begin = {{_column_start}}[_column], _c_end = {{_column_start}}[_column + 1];
        switch (_together)
        {
        {% for together in range(_structure.most_together, 0, -1) %}
        case {{together}}:
        {
            {% for k in range(together) %}
            const int _pre_{{k}} = _spikes[_first + {{k}}];
            const int64_t _weights_{{k}} = int64_t(_pre_{{k}} - _pixel_start) * {{_structure.kernel_columns * _structure.group_outputs}};
            {% endfor %}
            for (int _r = {{_row_start}}[_row]; _r < _r_end; _r++)
            for (int _c = _c_begin; _c < _c_end; _c++)
            {
                const int64_t _targets = {{_structure.target_start}} + _group + ({{_row_output}}[_r] * {{_structure.output_columns}} + {{_column_output}}[_c]) * {{_structure.output_channels}};
                const int64_t _weights = {{_row_kernel}}[_r] * {{_structure.channels * _structure.kernel_columns * _structure.group_outputs}} + {{_column_kernel}}[_c] * {{_structure.group_outputs}};
                {% if _structure.groups > 1 %}
                for (int _step = 0; _step < {{_column_length}}[_c]; _step++)
                {
                const int64_t _first_target = _targets + _step * {{_structure.output_channels}}, _first_weight = _weights + _step * {{_structure.group_outputs}};
                const int64_t _n = {{_structure.group_outputs}};
                {% else %}
                {
                const int64_t _first_target = _targets, _first_weight = _weights;
                const int64_t _n = {{_column_length}}[_c] * {{_structure.group_outputs}};
                {% endif %}
                asm volatile("");  // or GCC merges the loops around the innermost one, which is slower
                for (int64_t _k = 0; _k < _n; _k++)
                {
                    const int64_t _postsynaptic_idx = _first_target + _k;
                    const size_t _vectorisation_idx = _postsynaptic_idx;
                    {% for k in range(together) %}
                    {
                        const int _presynaptic_idx = _pre_{{k}};
                        const int64_t _kernel_idx = _weights_{{k}} + _first_weight + _k;
                        {{vector_code|autoindent}}
                    }
                    {% endfor %}
                }
                }
            }
            break;
        }
        {% endfor %}
        }
    }
{% endblock %}
