{# USES_VARIABLES { pixel, pixel_order, _n_pixels } #}
{# Counts the step; after the last step of an image, reads the next one. #}
{% extends 'common_group.cpp' %}
{% block extra_headers %}
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>
extern "C" { const char *brianconv_images_file = nullptr; }  // another file than `images` in the folder of results
{% endblock %}
{% block maincode %}
    {{counter.step}} += 1;
    if ({{counter.step}} <= {{counter.n_steps}}) return;
    {{counter.step}} = 1;
    {{counter.image}} += 1;
    static const std::string _file = brianconv_images_file ? brianconv_images_file : brian::results_dir + "images";
    static std::ifstream _images(_file, std::ios::binary);
    static std::vector<double> _row(_n_pixels);
    if ({{counter.image}} == 0) _images.seekg(24);  // past the heading: 8 letters, two 64-bit numbers
    _images.read(reinterpret_cast<char *>(_row.data()), _n_pixels * sizeof(double));
    if (!_images)
    {
        std::cerr << "cannot read image " << {{counter.image}} << " from " << _file << std::endl;
        exit(3);
    }
    for (int _k = 0; _k < _n_pixels; _k++)
        {{pixel}}[_k] = _row[{{pixel_order}}[_k]];
    if ({{counter.image}} % {{counter.reset_every}} != 0) return;  // continues a sequence
    {% for statement in flush %}
    {{statement}}
    {% endfor %}
{% endblock %}
