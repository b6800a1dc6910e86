{# Every spike reaches the outputs whose window it lies in. Up to four successive spikes from one place of the image
   share their targets and are added in one pass. #}
{% extends 'structured.cpp' %}
{% block propagate %}
    for (int _first = 0; _first < _n_spikes;)
    {
        const int _place = (_spikes[_first] - {{source_start}}) / {{group_inputs}};  // of the image, and group of channels
        int _together = 1;
        while (_together < {{most_together}} && _first + _together < _n_spikes
               && (_spikes[_first + _together] - {{source_start}}) / {{group_inputs}} == _place)
            _together++;
        const int _group = _place % {{groups}}, _row = _place / {{groups * columns}}, _column = _place / {{groups}} % {{columns}};
        {% for k in range(most_together) %}
        const int _pre_{{k}} = _spikes[_first + ({{k}} < _together ? {{k}} : 0)];
        const int _weights_{{k}} = (_pre_{{k}} - {{source_start}}) % {{channels}} * {{kernel_columns * group_outputs}};
        {% endfor %}
        for (int _r = {{_row_start}}[_row]; _r < {{_row_start}}[_row + 1]; _r++)
            for (int _c = {{_column_start}}[_column]; _c < {{_column_start}}[_column + 1]; _c++)
            {
                const int _targets = {{target_start}} + ({{_row_output}}[_r] * {{output_columns}} + {{_column_output}}[_c]) * {{output_channels}} + _group * {{group_outputs}};
                const int _weights = {{_row_kernel}}[_r] * {{channels * kernel_columns * group_outputs}} + {{_column_kernel}}[_c] * {{group_outputs}};
                {% if groups > 1 %}
                for (int _step = 0; _step < {{_column_length}}[_c]; _step++)
                {
                const int _first_target = _targets + _step * {{output_channels}}, _first_weight = _weights + _step * {{group_outputs}};
                const int _n = {{group_outputs}};
                {% else %}
                {
                const int _first_target = _targets, _first_weight = _weights;
                const int _n = {{_column_length}}[_c] * {{group_outputs}};
                {% endif %}
                switch (_together)
                {
                {% for together in range(most_together, 0, -1) %}
                case {{together}}:
                    for (int _k = 0; _k < _n; _k++)
                    {
                        const int _postsynaptic_idx = _first_target + _k;
                        const size_t _vectorisation_idx = _postsynaptic_idx;
                        {% for k in range(together) %}
                        {
                            const int _presynaptic_idx = _pre_{{k}};
                            const int _kernel_idx = _weights_{{k}} + _first_weight + _k;
                            {{vector_code|autoindent}}
                        }
                        {% endfor %}
                    }
                    break;
                {% endfor %}
                }
                }
            }
        _first += _together;
    }
{% endblock %}
