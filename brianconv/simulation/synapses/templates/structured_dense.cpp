{# Every spike reaches all targets; up to eight spikes are added in one pass. #}
{% extends 'structured.cpp' %}
{% block propagate %}
    int _first = 0;
    {% for together in (8, 4, 2, 1) %}
    for (; _first + {{together}} <= _n_spikes; _first += {{together}})
    {
        {% for k in range(together) %}
        const int _pre_{{k}} = _spikes[_first + {{k}}];
        const int64_t _weights_{{k}} = (_pre_{{k}} - {{_structure.source_start}}) * {{_structure.n_post}};
        {% endfor %}
        asm volatile("");  // or GCC merges the two loops, which is slower
        for (int64_t _k = 0; _k < {{_structure.n_post}}; _k++)
        {
            const int64_t _postsynaptic_idx = {{_structure.target_start}} + _k;
            const size_t _vectorisation_idx = _postsynaptic_idx;
            {% for k in range(together) %}
            {
                const int _presynaptic_idx = _pre_{{k}};
                const int64_t _kernel_idx = _weights_{{k}} + _k;
                {{vector_code|autoindent}}
            }
            {% endfor %}
        }
    }
    {% endfor %}
{% endblock %}
