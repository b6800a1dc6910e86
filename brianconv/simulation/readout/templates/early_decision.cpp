{# USES_VARIABLES { score, class_order, _n_classes, _spikespace, steps, decisions, decided } #}
{# Ends an image at its last step or when it is decided (Kim et al. 2018, Algorithm 1); stops after the last image. #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
#include <cmath>
#include <ctime>
#include <iostream>
{% endblock %}
{% block maincode %}
    int _best = 0;
    double _highest = {{score}}[{{class_order}}[0]], _second = -INFINITY;
    for (int _k = 1; _k < _n_classes; _k++)
    {
        const double _score = {{score}}[{{class_order}}[_k]];
        if (_score > _highest) { _second = _highest; _highest = _score; _best = _k; }
        else if (_score > _second) _second = _score;
    }
    static int _decision = -1, _stable_steps = 0;
    static double _average_difference = 0;
    if ({{counter.step}} == 1) { _decision = -1; _stable_steps = 0; _average_difference = 0; }
    bool _decided = false;
    if ({{counter.early_decision}} > 0 && {{counter.step}} >= {{counter.first}})
    {
        _average_difference = (_highest - _second + _average_difference) / 2;
        _stable_steps = _best == _decision ? _stable_steps + 1 : 0;
        _decided = _best == _decision && _stable_steps * _average_difference >= {{counter.early_decision}} * (1 - {{tolerance}});
        _decision = _best;
    }
    {% if stop %}
    static long long _stop_counted = 0;
    static double _stop_average_lead = 0, _stop_stable = 0;
    static int _stop_before = -1;
    if ({{counter.step}} == 1) { _stop_counted = 0; _stop_average_lead = 0; _stop_stable = 0; _stop_before = -1; }
    _stop_counted += {{_spikespace}}[_n_classes];
    if ({{counter.step}} >= {{counter.first}})
    {
        const double _stop_step = {{counter.step}}, _stop_best = _best, _stop_score = _highest;
        const double _stop_lead = _highest - _second, _stop_spikes = _stop_counted;
        _stop_average_lead = (_stop_lead + _stop_average_lead) / 2;
        _stop_stable = _best == _stop_before ? _stop_stable + 1 : 0;
        _stop_before = _best;
        (void)_stop_step; (void)_stop_best; (void)_stop_score; (void)_stop_spikes;
        if ({{stop}}) _decided = true;
    }
    {% endif %}
    if (!_decided && {{counter.step}} < {{counter.n_steps}}) return;

    {{_dynamic_steps}}.push_back({{counter.step}});
    {{_dynamic_decisions}}.push_back(_best);
    {{_dynamic_decided}}.push_back(_decided);
    {{counter.step}} = {{counter.n_steps}};  // the next step belongs to the next image
    const bool _last = {{counter.image}} >= {{counter.n_images}} - 1;
    static std::clock_t _reported = 0;
    if (_last || std::clock() - _reported > CLOCKS_PER_SEC / 2)
    {
        std::cout << "images " << {{counter.image}} + 1 << std::endl;
        _reported = std::clock();
    }
    if (_last) Network::_globally_stopped = true;
{% endblock %}
