{# USES_VARIABLES { _spikespace, fan_out, spikes, operations, _n_neurons } #}
{# Appends the number of spikes and of synaptic operations of this step. #}
{% extends 'common_group.cpp' %}
{% block maincode %}
    const int32_t _n_spikes = {{_spikespace}}[_n_neurons];
    int64_t _n_operations = 0;
    for (int32_t _k = 0; _k < _n_spikes; _k++)
        _n_operations += {{fan_out}}[{{_spikespace}}[_k]];
    {{_dynamic_spikes}}.push_back(_n_spikes);
    {{_dynamic_operations}}.push_back(_n_operations);
{% endblock %}
