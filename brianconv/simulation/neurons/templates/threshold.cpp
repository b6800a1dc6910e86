{# USES_VARIABLES { N } #}
{# The condition is evaluated for all neurons in one vectorised pass; then those that spike are collected, 64 at a time. #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
#include <cstring>
{% endblock %}
{% block maincode %}
    {% if active %}
    if (!({{active}}))
    {
        {{get_array_name(eventspace_variable)}}[N] = 0;
        return;
    }
    {% endif %}
    const int _vectorisation_idx = -1;
    {{scalar_code|autoindent}}
    {% set _eventspace = get_array_name(eventspace_variable) %}
    alignas(64) static unsigned char _fired[(N + 63) / 64 * 64];
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
    for (int _block = 0; _block < N; _block += 64)
    {
        uint64_t _bits = 0, _bytes[8];
        std::memcpy(_bytes, _fired + _block, 64);
        for (int _k = 0; _k < 8; _k++)  // eight bytes of 0 or 1 become eight bits
            _bits |= _bytes[_k] * 0x0102040810204080ull >> 56 << 8 * _k;
        for (; _bits; _bits &= _bits - 1)
            {{_eventspace}}[_count++] = _block + __builtin_ctzll(_bits);
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
