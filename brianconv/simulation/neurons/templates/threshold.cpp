{# USES_VARIABLES { N } #}
{# The condition is evaluated for all neurons in one vectorised pass; then the neurons that spike are collected, eight
   silent ones at a time being skipped. #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
#include <cstring>
{% endblock %}
{% block maincode %}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    alignas(64) static unsigned char _fired[(N + 7) / 8 * 8];
    {% set arrays = array_pointers(variables, get_array_name) %}
    auto _evaluate = [&]({% for name in arrays %}decltype({{name}}) {{name}}, {% endfor %}unsigned char *__restrict _fired) __attribute__((noinline))
    {
        for (int _idx = 0; _idx < N; _idx++)
        {
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
            _fired[_idx] = _cond;
        }
    };
    _evaluate({% for name in arrays %}{{name}}, {% endfor %}_fired);
    int32_t _count = 0;
    for (int _block = 0; _block < N; _block += 8)
    {
        uint64_t _any;
        std::memcpy(&_any, _fired + _block, 8);
        if (_any == 0) continue;
        for (int _idx = _block; _idx < _block + 8; _idx++)
        {
            {{_eventspace}}[_count] = _idx;
            _count += _fired[_idx];
        }
    }
    {{_eventspace}}[N] = _count;
    {% if _uses_refractory %}
    for (int _k = 0; _k < _count; _k++)
    {
        {{not_refractory}}[{{_eventspace}}[_k]] = false;
        {{lastspike}}[{{_eventspace}}[_k]] = {{t}};
    }
    {% endif %}
{% endblock %}

{% block after_code %}
{% set _eventspace = get_array_name(eventspace_variable) %}
{{_eventspace}}[N] = 0;
{% endblock %}
