#!/usr/bin/env python3
"""Writes tests/golden/chat/jinja.json: small templates and what jinja2 makes of them, in transformers' environment.

  make_jinja.py      from the repository root; needs `pip install jinja2==3.1.6`
"""
import json
import os

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

HERE = os.path.dirname(os.path.abspath(__file__))
VARIABLES = {
    "s": "Hello, World", "empty": "", "spaces": "  \t a b  c \n\u3000", "uni": "añb中c😀d", "quote": "it's \"q\" \\ \n\t\x01\x7f é",
    "n": 7, "neg": -7, "zero": 0, "f": 2.5, "big": 1e22, "tiny": 1.5e-7, "whole": 3.0, "large": 123456789012345680.0, "t": True, "no": False, "nil": None,
    "l": [3, 1, 2], "names": ["b", "a", "c"], "el": [], "nested": [[1, 2], ["x", None]], "mixed": [1, "two", None, True, 2.5, {"k": "v"}],
    "d": {"b": 1, "a": "x", "items": 5, "nul": None}, "ed": {}, "deep": {"a": {"b": {"c": "found"}}},
    "m": [{"role": "user", "content": "u1"}, {"role": "assistant", "content": "a1", "n": 2}, {"role": "user", "content": "u2"}],
    "tools": [{"function": {"name": "get_w", "kind": "A", "strict": True, "parameters": ["p"]}}, {"function": {"name": "put_w", "kind": "a", "parameters": []}}],
    "tall": "straße ŉa ǆ ǅx ﬁx İi ΌΣΟΣ ΟΔΟΣ. ΐ ᾳᾼᾀ և ﬅ აა ẞ ⅷ ⓐ 𐐨",
    "lines": "one\ntwo\n\nthree", "csv": "a,b,,c", "think": "x</think> y </think>\n z ",
}
EXPRESSIONS = """
s; n; neg; f; big; tiny; whole; large; t; no; nil; l; el; d; ed; nested; mixed; quote; missing; spaces; 1.0; 1e3; 1_000; 100000000000000000000.0
[quote]; [uni]; ['it\\'s', "a'b\\"c"]; {'a': 1, 'b': [True, None]}; (1, 2) | list; 'a' 'b'; "\\u00e9\\x41\\n\\q\\101"; ()|length
1 + 2; 1 - 2; 3 * 4; 7 / 2; 7 // 2; 7 % 3; neg // 2; neg % 3; 7 // -2; 7 % -3; f // 2; f % 2; 2 ** 10; 2 ** -1; 2.0 ** 3; 2 ** 3 ** 2; -2 ** 2; 10 ** 30 if false; 0 ** 0; (1, 2); (1,); d.items() | first; (1, 2)[0]; (1, 2) == [1, 2]; (1, 2) | tojson; 1 + 2 * 3; (1 + 2) * 3; -n; - -n; +n; -f; 1 / 0; 1 // 0; 1 % 0
1 + t; 'a' + 'b'; s + nil; s + n; s + missing; n + s; l + names; l + s; 'ab' * 3; 3 * 'ab'; 'ab' * 0; 'ab' * -1; l * 2; d + d; 'a' ~ 1 ~ nil ~ t ~ 2.0; missing ~ 'x'; s - s; s / 2; s % 2 if false
1 == 1; 1 == 1.0; 1 == t; '1' == 1; nil == none; nil == no; missing == missing; missing == nil; l == [3, 1, 2]; d == {'a': 'x', 'b': 1, 'items': 5, 'nul': none}; s != s; 1 != 2
1 < 2; 2 <= 2; 3 > 4; 'a' < 'b'; 'Z' < 'a'; 1 < 2 < 3; 1 < 2 > 3; 1 < 'a'; nil < 1; missing < 1; f > 2; [1] < [2] if false
1 in l; 9 in l; 9 not in l; 'W' in s; 'w' in s; '' in s; 1 in s; 'a' in d; 'z' not in d; 'a' in missing; 'a' in nil; 'a' in n; nil in mixed; t in l
not t; not not s; not missing; t and s; no and s; no or s; el or 'x'; t and no or 'y'; not t or t; not 1 == 2; n and 0 or 5; missing or 'dflt'
'a' if t else 'b'; 'a' if no else 'b'; 'a' if no; 'a' if missing else 'b' if no else 'c'; ('x' if t else 'y') + 'z'; 'x' + 'y' if no else 'z'
s[0]; s[-1]; s[100]; uni[3]; uni[-1]; uni[1:4]; uni[::-1]; uni[::2]; s[2:]; s[:-2]; s[:]; s[5:2]; s[-3:]; s[::-2]; s[10:2:-3]; l[0]; l[-1]; l[5]; l[1:]; l[::-1]; l[:1]; l[-2:]; l['x']; l[:100]; l[-100:2]; l[::0]; s['x']; n[0]; nil[0]; missing[0]; m[1:] | length; m[::-1][0].content; l[1.5]
d.a; d['a']; d.b; d.missing; d['missing']; d['items']; d.items() | list; d.keys() | list; d.values() | list; d.get('a'); d.get('z'); d.get('z', 9); deep.a.b.c; deep.x.y; deep['a']['b']; deep.a.x; nil.x; nil.x.y; n.x; s.x; m[0].role; m[9].role; m.0.role; d.nul; d.nul.x
s.upper(); s.lower(); uni.upper(); 'hELLO wORLD'.title(); 'hELLO wORLD'.capitalize(); s.startswith('Hell'); s.endswith('ld'); s.startswith('x'); s.startswith(('x', 'H')); s.startswith(1); s.find('o'); s.find('zz'); uni.find('c'); s.count('l'); s.count('')
csv.split(','); csv.split(',', 1); csv.split(',', 0); csv.split(',', -1); csv.split('x'); csv.split(''); csv.rsplit(',', 1); csv.rsplit(','); spaces.split(); spaces.split(none, 1); empty.split(); empty.split(','); think.split('</think>')[-1]; think.split('</think>') | last | trim; s.split(1); lines.splitlines(); csv.split(sep=',')[1]; csv.split(maxsplit=1)
spaces.strip(); spaces.lstrip(); spaces.rstrip(); s.strip('Hd'); s.lstrip('Heo'); s.rstrip('dl'); s.strip(''); uni.strip('añd'); s.strip(1); spaces.strip(none)
s.replace('l', 'L'); s.replace('l', 'L', 1); s.replace('', '-'); s.replace('', '-', 2); s.replace('x', 'y'); s.replace('l'); uni.replace('中', 'zz'); ','.join(names); ','.join(l); ''.join([]); '-'.join('abc'); '12'.isdigit(); ''.isdigit(); '1a'.isdigit()
tall.upper(); tall.lower(); tall.title(); tall.capitalize(); tall | upper; tall | lower; tall | title; tall | capitalize; 'ΑΣ'.lower(); 'ΑΣ' | title; 'Σ'.lower(); "ΑΣ'Β ΑΣ' 1Σ".lower(); 'ßa ßA'.title(); 'ʰa ªa 1a'.title(); ['STRASSE', 'straße'] | unique | list
missing.upper(); n.upper(); l.upper(); l.count(1); d.upper(); missing.x; missing(); n()
s | upper; s | lower; 'hello wORLD' | title; 'hello wORLD' | capitalize; uni | upper; n | upper; spaces | trim; n | trim; nil | trim; missing | trim; s | trim('Hd'); s | length; uni | length; l | length; d | length; missing | length; n | length; nil | length; el | count; s | first; s | last; l | first; l | last; el | first; el | last; uni | last; d | first; missing | last; n | first
names | join; names | join(', '); l | join('-'); m | join('|', attribute='role'); mixed | join(','); s | join('.'); missing | join; s | replace('l', 'L'); s | replace('l', 'L', 1); n | replace('7', '8'); missing | default('x'); missing | d('x'); nil | default('x'); nil | default('x', true); empty | default('x', boolean=true); missing | default; s | default('x')
s | string; n | string; nil | string; l | string; d | string; '12' | int; 'x' | int; 'x' | int(5); '3.7' | int; 3.7 | int; f | int; '2.5' | float; 'x' | float; n | float; t | int; neg | abs; -2.5 | abs; l | list; s | list; d | list; missing | list; d | items | list; missing | items | list; [1, 1, 2] | unique | list; l | reverse | list; s | reverse; s | safe
tools | map(attribute='function.name') | join(','); tools | map(attribute='function.missing') | list; tools | map(attribute='function.missing', default='?') | list; tools | map(attribute='function.no.way') | list; tools | map(attribute='function.no.way', default={'way': 1}) | list; tools | map(attribute='function.no.way', default='') | list; nested | map(attribute='0') | list; nested | map(attribute=1) | list; nested | map(attribute='01') | list; nested | map(attribute='99999999999999999999') | list; m | map(attribute='content.1') | join; names | map(attribute='0') | list; names | map(attribute='') | list; l | map(attribute=none) | list; m | map(attribute='n', default=none) | list; tools | map(attribute='.name') | list
tools | selectattr('function.name', 'equalto', 'get_w') | list | length; tools | rejectattr('function.name', 'equalto', 'get_w') | map(attribute='function.name') | list; tools | selectattr('function.strict') | list | length; tools | selectattr('function.a.b') | list; nested | selectattr('0', 'equalto', 1) | list; nested | selectattr(0, 'equalto', 1) | list; tools | join('|', attribute='function.name'); tools | join('|', 'function.parameters.0'); nested | join('|', attribute=0); l | join('|', attribute=none)
['a', 'A', 'b'] | unique | list; ['a', 'A', 'b'] | unique(true) | list; ['a', 'A', 'b'] | unique(case_sensitive=true) | list; m | unique(attribute='role') | map(attribute='content') | join(','); tools | unique(attribute='function.kind') | list | length; [1, 2, 1, 'x'] | unique | list
l | select('==', 2) | list; l | select('eq', 2) | list; l | select('equalto', 2) | list; l | select('!=', 2) | list; l | select('ne', 2) | list; l | select('<', 2) | list; l | select('lt', 2) | list; l | select('lessthan', 2) | list; l | select('<=', 2) | list; l | select('le', 2) | list; l | select('>', 2) | list; l | select('gt', 2) | list; l | select('greaterthan', 2) | list; l | select('>=', 2) | list; l | select('ge', 2) | list; l | select('in', [1, 2]) | list; l | reject('in', [1, 2]) | list; l | reject('>=', 2) | list; m | selectattr('role', '==', 'user') | list | length; m | rejectattr('role', '!=', 'user') | list | length; m | selectattr('role', 'in', ['user', 'x']) | list | length; l | select('<>', 2) | list; l | select('>') | list; l | select('> ', 2) | list
"Sys it's" | title; 'a1b' | title; 'x-y (z [q {w <e' | title; 'a_b.c/d' | title; 'éa ÉA' | title; '-a' | title; "Sys it's".title(); 'a1b'.title(); 'FOO bAR\tbaz\nqux' | title
'c\x0bd'.splitlines(); 'a\x0cb\x1cc\x1dd\x1ee\x85f\u2028g\u2029h'.splitlines(); 'a\r\nb\rc\n\rd\n'.splitlines(); 'a\r\nb\n\nc'.splitlines(true); 'a\nb'.splitlines(keepends=true); '\n'.splitlines(); 'a\x1fb'.splitlines()
(1, 2) + (3,); (1, 2) + [3]; [3] + (1, 2); (1, 2, 3)[1:]; (1, 2, 3)[:1]; (1, 2) * 2; 2 * (1,); (1, 2) == (1,) + (2,); d.items() | list | first + (1,)
'xyz'.startswith('y', 1); 'xyz'.startswith('y', -2); 'xyz'.startswith('x', 1); 'xyz'.startswith('', 3); 'xyz'.startswith('', 4); 'xyz'.startswith('yz', 1, 2); 'xyz'.startswith('y', none, 2); 'xyz'.endswith('y', 0, 2); 'xyz'.endswith(('q', 'y'), 0, -1); 'xyz'.endswith('z', 3); uni.startswith('b', 2); 'xyz'.startswith('x', 'y'); 'xyz'.endswith('', 2, 1)
' a  b c '.rsplit(none, 1); ' a  b c '.rsplit(none, 2); ' a  b c '.rsplit(none, 9); ' a  b c '.rsplit(none, 0); 'abc'.rsplit(none, 1); '  '.rsplit(none, 1); spaces.rsplit(none, 1); uni.rsplit(none, 1); ' a '.rsplit(none, 1); ' a b'.rsplit(maxsplit=1)
[1, 2] < [1, 3]; [1, 2] < [1]; [] < [1]; [1, 2] <= [1, 2]; [1, 2] > [1, 2]; ['b'] >= ['a', 'c']; [1] < ['a']; [1] < (1,); (1, 2) < (1, 3); [nil, 1] < [nil, 2]; [[1, 2]] < [[1, 3]]; [d] < [ed]; [1] < 1
m | map(attribute='role') | list; names | map('upper') | list; m | map(attribute='n') | list; m | map(attribute='n', default=0) | list; m | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(','); m | rejectattr('role', 'eq', 'user') | list | length; m | selectattr('n') | list | length; m | selectattr('n', 'defined') | list | length; l | select('gt', 1) | list; l | reject('odd') | list; mixed | select('string') | list; mixed | select | list
lines | indent; 'a\r\nb\u2028c\n' | indent(2); empty | indent(2, true); '\n\n' | indent(2, blank=true); '\na' | indent(2, first=true); '12345678901234567' | int; '+5' | int; '+-5' | int(3); ' -7 ' | int; '1e3' | int; '+1.5' | float; '+' | int; '99999999999999999999' | int(1) if false; lines | indent(2, true); lines | indent(2, blank=true); lines | indent('> '); s | tojson; quote | tojson; uni | tojson; n | tojson; f | tojson; big | tojson; tiny | tojson; whole | tojson; large | tojson; nil | tojson; t | tojson; l | tojson; d | tojson; el | tojson; ed | tojson; nested | tojson; mixed | tojson; missing | tojson; '<>&\\'' | tojson; m | tojson(indent=2); el | tojson(indent=2); nested | tojson(indent=4); d | tojson(sort_keys=true); d | tojson(separators=(',', ':')); uni | tojson(ensure_ascii=true); uni | tojson(true); [[], {}] | tojson(indent=1)
'a' + s | upper; ('a' + s) | upper; -1 | abs; not s | length; s | length > 3; s | upper | lower | title; 'a' ~ 'b' | upper; [s | upper, 1]; {'k': s | lower}['k']; s | upper == 'HELLO, WORLD'; (s | upper)[0]; s.split(',')[0] | lower
s is string; n is string; n is number; f is number; t is number; n is integer; t is integer; f is float; t is boolean; t is true; t is false; n is true; no is false; nil is none; missing is none; missing is defined; s is defined; missing is undefined; missing is not defined; d.zz is defined; d is mapping; l is mapping; l is sequence; s is sequence; d is sequence; n is sequence; l is iterable; n is iterable; missing is iterable; n is odd; n is even; n is divisibleby 7; n is divisibleby(2); 1 is in l; 9 is in(l); 9 is not in l; n is eq 7; n is equalto(8); n is ne 7; n is gt 3; n is ge 7; n is lt 7; n is le 7; s is string and n is number; not missing is defined; s is string == true if false; none is not none; s is odd; l is callable; d.items is callable; d.items is defined; nil is not string
range(3) | list; range(1, 4) | list; range(5, 0, -2) | list; range(0) | list; range(1, 2, 0); dict(a=1, b='x'); dict(d).a; namespace(a=1).a; raise_exception('no'); loop; loop is defined; true; True; false; none; None; false is false
"""
TEMPLATES = [
    "{% for x in l %}{{ x }}{% break %}{% else %}none{% endfor %}", "{% for x in l %}{{ x }}{% if x == 1 %}{% break %}{% endif %}{% else %}none{% endfor %}",
    "{% set ns = namespace(found=false) %}{% for x in l if not ns.found %}{{ x }}{% set ns.found = true %}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in range(9) if ns.n < 3 %}{{ x }}{{ loop.last }},{% set ns.n = ns.n + 1 %}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in range(9) if ns.n < 3 %}{% set ns.n = ns.n + 1 %}{{ x }}{{ loop.last }},{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in range(9) if ns.n < 3 %}{{ x }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.last }},{% set ns.n = ns.n + 1 %}{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in range(9) if ns.n < 3 %}{% set ns.n = ns.n + 1 %}{{ loop.nextitem }}{{ loop.previtem }}{{ loop['last'] }}{{ loop.length if ns.n == 2 }},{% endfor %}",
    "{% set ns = namespace(n=0) %}{% for x in range(9) if ns.n < 3 and x is odd %}{% set ns.n = ns.n + 1 %}{{ [loop] | map(attribute='last') | first }},{% endfor %}",
    "{% set ns = namespace(f=true) %}{% for x in l if ns.f %}{% set ns.f = false %}{{ x }}{% continue %}{% else %}none{% endfor %}",
    "{% for x in l if x > 9 %}{{ x }}{% else %}none{% endfor %}",
    "{% set y = 1 %}{% for x in l if y == 1 %}{% set y = 2 %}{{ x }}{{ loop.last }}{% endfor %}",
    "{% for x in l %}{% for y in l if y != x %}{{ x }}{{ y }}{{ loop.last }} {% endfor %}{{ loop.last }}{% endfor %}",
    "{% for a, b in nested if b %}{{ a }}{{ loop.nextitem }}{% endfor %}",
    "{% for x in l if 1 // (x - 1) %}{{ x }}{% endfor %}",
    "{% for x in l if 1 // (x - 1) %}{{ x }}{% break %}{% endfor %}",
    "{% set ns = namespace() %}{% for x in l %}{% if loop.first %}{% set ns.l = loop %}{% endif %}{{ ns.l.index }}{% endfor %}{{ ns.l.index }}{{ ns.l.last }}",
    "{% set ns = namespace(l=none) %}{% for x in l if ns.l == none or not ns.l.last %}{% set ns.l = loop %}{{ x }}{% endfor %}",
    "{% for x in l %}{{ loop.depth }}{{ loop.depth0 }}{% endfor %}",
    "a\n", "a\n\n", "", "{{ s }}\n", "  {% if t %}\n  x\n  {% endif %}\n y", "a {% if t %} b {% endif %} c", "{% if t %}\n\nx{% endif %}", "a\n  {%- if t %}\nb{%- endif %}\n c",
    "a  {{- s -}}  b", "a\n  {{ s }}\n  b", "a {#- c -#} b", "a {# c #}\nb", "  {# c #}\n  b", "x\n  {#- c #}\nb", "{%+ if t %}x{% endif %}", "  {%+ if t %}x{% endif %}", "{% if t +%}\nx{% endif %}", "{% if t -%}\n  x\n{%- endif -%}\n  y",
    "\t{% if t %}x{% endif %}\t\n", "a\r\nb\rc", "{% raw %}{{ x }}{% if %}{% endraw %}", "{% raw -%}  a  {%- endraw %} b", "{ {% if t %}{ }{% endif %} }", "{{ '}}' }}", "{{ {'a': {'b': 1}}['a']['b'] }}", "{{ \"%}\" }}{% if '%}' %}y{% endif %}", "{{s}}{{n}}", "{{- s}}", "a{{+ n }}",
    "{% if no %}a{% elif nil %}b{% elif s %}c{% else %}d{% endif %}", "{% if no %}a{% else %}d{% endif %}", "{% if missing %}a{% endif %}x",
    "{% for x in l %}{{ x }},{% endfor %}", "{% for x in el %}{{ x }}{% else %}none{% endfor %}", "{% for x in missing %}a{% endfor %}x", "{% for x in nil %}a{% endfor %}", "{% for x in n %}a{% endfor %}", "{% for c in uni %}[{{ c }}]{% endfor %}", "{% for k in d %}{{ k }} {% endfor %}", "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}", "{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}", "{% for a, b in nested %}{{ a }}-{{ b }};{% endfor %}", "{% for a, b in l %}x{% endfor %}", "{% for (a, b) in nested %}{{ a }}{% endfor %}",
    "{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.revindex }}{{ loop.revindex0 }}|{% endfor %}", "{% for x in l %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }}{% endfor %}", "{% for x in l if x > 1 %}{{ loop.index }}:{{ x }}/{{ loop.length }} {% endfor %}", "{% for x in l if x > 9 %}a{% else %}none{% endfor %}", "{% for x in l %}{% if loop.last %}end{% endif %}{% if not loop.first %}+{% endif %}{% endfor %}", "{% for x in l %}{% for y in names %}{{ loop.index }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in l %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in l %}{% for y in l %}{% break %}{% endfor %}{{ x }}{% endfor %}", "{% for x in 1, 2, 3 %}{{ x }}{% endfor %}", "{% for x in l + names %}{{ x }}{% endfor %}", "{% for x in l[::-1] %}{{ x }}{% endfor %}", "{% for x in (l if no else names) %}{{ x }}{% endfor %}",
    "{% set x = 1 %}{{ x }}", "{% set x = 1 %}{% for y in l %}{% set x = y %}{{ x }}{% endfor %}{{ x }}", "{% set x = 1 %}{% if t %}{% set x = 2 %}{% endif %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x = l, s %}{{ x | length }}", "{% set x %}a{{ s }}b{% endset %}[{{ x }}]", "{% for y in l %}{% set x = y %}{% endfor %}{{ x is defined }}", "{% set s = s + '!' %}{{ s }}", "{% for y in l %}{% set s = s ~ y %}{{ s }};{% endfor %}{{ s }}", "{% for s in l %}{{ s }}{% endfor %}{{ s }}",
    "{% set ns = namespace(a=1, b='x') %}{% for y in l %}{% set ns.a = ns.a + y %}{% endfor %}{{ ns.a }}{{ ns.b }}{{ ns.c }}", "{% set ns = namespace() %}{% set ns.x = 5 %}{{ ns.x }}", "{% set d.x = 5 %}", "{% set q.x = 5 %}", "{% set ns = namespace({'a': 2}) %}{{ ns.a }}", "{% set ns = namespace(a=ns) %}{{ ns.a is defined }}",
    "{% if messages is not defined %}{% set messages = m %}{% endif %}{% for x in messages %}{{ x['role'] + ': ' + x.content + '\\n' }}{% endfor %}", "{{ m[0]['content'] if m[0]['role'] == 'user' else 'no' }}", "{% if m[0].role == 'user' and m | length > 2 %}yes{% endif %}", "{% if 'x' in d.values() %}in{% endif %}", "{% if not (m and m[-1].role == 'user') %}a{% else %}b{% endif %}",
    "{% for x in m %}{% if (x['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('order') }}{% endif %}{% endfor %}ok", "{% if t %}{{ raise_exception('Sorry: ' + s) }}{% endif %}",
    "{% macro f(a, b='B', c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ f(1) }}{{ f(1, 2) }}{{ f(1, c=3) }}{{ f(b=1) }}{{ f() }}{{ f(1, 2, 3) | upper }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, 2) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(b=1) }}", "{% macro f(a) %}{{ a }}{% endmacro %}{{ f(1, a=2) }}", "{{ f(1) }}{% macro f(a) %}{{ a }}{% endmacro %}", "{% if no %}{% macro f(a) %}{{ a }}{% endmacro %}{% endif %}{{ f(1) }}",
    "{% macro f(x) -%}\n  {%- if x is mapping -%}{ {%- for k, v in x.items() -%}{{ k }}:{{ f(v) }}{{ ',' if not loop.last }}{%- endfor -%} }\n{%- else -%}{{ x }}{%- endif -%}\n{%- endmacro %}{{ f(deep) }}|{{ f(d) }}", "{% macro f(a) %}x{% endmacro %}{{ f is callable }}{{ f is defined }}{{ f is string }}{{ f(1) ~ f(2) }}{{ f(1) == 'x' }}{% set y = f(1) + 'z' %}{{ y }}{{ f(1) | length }}",
    "{% set x = 1 %}{% macro f() %}{{ x }}{% set x = 5 %}{{ x }}{% endmacro %}{{ f() }}{{ x }}", "{% set x = 1 %}{% macro f() %}{{ x }}{% endmacro %}{% set x = 2 %}{{ f() }}", "{% macro f() %}{{ x }}{{ loop is defined }}{% endmacro %}{% for x in l %}{{ f() }}{% endfor %}", "{% macro f() %}{{ y }}{% endmacro %}{% set y = 3 %}{{ f() }}", "{% set ns = namespace(n=0) %}{% macro f() %}{% set ns.n = ns.n + 1 %}{% endmacro %}{{ f() }}{{ f() }}{{ ns.n }}",
    "{% macro f(n) %}{% for i in range(n) if i != 1 %}{{ i }}{{ loop.last }}{% endfor %}{% endmacro %}{% for x in l if f(x) != '' %}{{ x }}:{{ f(x) }};{% endfor %}", "{% for x in l %}{% macro f(a) %}{{ a }}{{ x }}{% endmacro %}{{ f('q') }}{% endfor %}{{ f is defined }}", "{% macro f(a) %}{{ g(a) }}{% endmacro %}{% macro g(a) %}<{{ a }}>{% endmacro %}{{ f(1) }}", "{% for x in l %}{% macro f() %}{% break %}{% endmacro %}{% endfor %}", "{% macro f(a=1, b) %}{% endmacro %}", "{% macro f() %}x{% endmacro f %}{{ f() }}", "{% macro f() %}x",
    "{% macro f(s) %}{{ s }}{% endmacro %}{{ f('in') }}{{ s }}", "{% macro f(a, a2=missing) %}{{ a2 is defined }}{% endmacro %}{{ f() }}", "{% macro range(a) %}r{{ a }}{% endmacro %}{{ range(3) }}",
    "{% for x in l %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in l %}{{ loop.cycle() }}{% endfor %}", "{% for x in [1, 1, 2, 2, 1] %}{{ x }}{{ loop.changed(x) }} {% endfor %}", "{% for x in [1, 1, none] %}{{ loop.changed(x, 1) }}{{ loop.changed() }} {% endfor %}", "{% for x in l %}{{ loop.nothing() }}{% endfor %}", "{{ s.cycle is defined }}{{ s.cycle('a') }}", "{% for x in l %}{% for y in l %}{{ loop.changed(y) }}{{ loop.cycle(1, 2) }}{% endfor %}{% endfor %}",
    "{% generation %}x{% endgeneration %}" if False else "x", "{{ 1,2 }}" if False else "y", "{% set x = namespace(a=[]) %}{% set x.a = x.a + [1] %}{% set x.a = x.a + [2] %}{{ x.a }}", "{{ (namespace(a=1)).a }}",
]


def refuse(message):
    raise jinja2.exceptions.TemplateError(message)


def main():
    env = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    env.globals["raise_exception"] = refuse
    env.filters["tojson"] = lambda x, ensure_ascii=False, indent=None, separators=None, sort_keys=False: json.dumps(
        x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
    templates = list(TEMPLATES)
    for line in EXPRESSIONS.strip().split("\n"):
        templates += ["{{ " + e.strip() + " }}" for e in line.split("; ")]
    rows = []
    for template in templates:
        row = {"template": template}
        try:
            row["text"] = env.from_string(template).render(**json.loads(json.dumps(VARIABLES)))
        except Exception as error:
            row["error"] = type(error).__name__
        rows.append(row)
    with open(os.path.join(HERE, "jinja.json"), "w", encoding="utf-8") as file:
        file.write('{"variables":' + json.dumps(VARIABLES) + ',\n"cases":[\n' + ",\n".join(json.dumps(r) for r in rows) + "\n]}\n")


main()
