{# Every spike reaches one target. #}
{% extends 'structured.cpp' %}
{% block propagate %}
    for (int _s = 0; _s < _n_spikes; _s++)
    {
        const int _presynaptic_idx = _spikes[_s];
        const int64_t _kernel_idx = _presynaptic_idx - {{_structure.source_start}};
        const int64_t _postsynaptic_idx = {{_structure.target_start}} + {{_target_of}}[_kernel_idx];
        const size_t _vectorisation_idx = _postsynaptic_idx;
        {{vector_code|autoindent}}
    }
{% endblock %}
