#!/usr/bin/env python3
"""Makes tests/golden/chat_templates.json: templates of our own and what transformers renders of them.

    python tools/make_template_goldens.py [FILE]

Every construct that heed/text/jinja knows is used at least once; "error" marks what transformers
refuses too. Needs the PyPI package transformers (and with it jinja2); their versions are recorded.
"""

import json
import pathlib
import sys

import jinja2
import transformers
from transformers.utils.chat_template_utils import render_jinja_template

MESSAGES = [
    {"role": "system", "content": "  Be brief. "},
    {"role": "user", "content": "Größe & <b>\"x\"</b> 你好 \U0001F600\n2nd line"},
    {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": {"b": 1, "a": [1.5, None, True]}}}]},
    {"role": "tool", "name": "f", "content": "{\"x\": 1e16}"},
]
VARIABLES = {
    "bos_token": "<s>", "eos_token": "</s>", "n": 7, "x": 2.5, "yes": True, "nothing": None,
    "words": ["pear", "Apple", "fig", "apple", "Fig"], "empty": [],
    "people": [{"name": "Ann", "age": 30, "home": {"city": "Rome"}},
               {"name": "bob", "age": 25, "home": {"city": "Oslo"}},
               {"name": "Cid", "age": 30, "home": {"city": "Rome"}}],
    "table": {"b": 2, "a": 1, "C": 3}, "text": "the quick  brown\tfox's tail",
    "floats": [1.0, 0.1, 1e16, 1.5e300, -0.0, 123456789.125, 1e-5, 100000.0],
    "nested": {"list": [1, [2, {"k": "v'\"\n"}]], "none": None, "flag": False},
}

# One a line; "|" stands at no line's end.
LINES = r"""
{{ messages[0].content|trim }}|{{ messages[0]['role'] }}|{{ messages[-1]['content'][2:5] }}
{% for m in messages %}{{ loop.index }}/{{ loop.index0 }}/{{ loop.revindex }}/{{ loop.revindex0 }}/{{ loop.length }}{{ ' first' if loop.first }}{{ ' last' if loop.last }}:{{ m.role }};{% endfor %}
{% for m in messages if m.role != 'system' %}{{ loop.index }}{{ m.role }}{% if not loop.last %}, {% endif %}{% else %}none{% endfor %}
{% for x in empty %}x{% else %}empty{% endfor %}{% for a, b in table.items() %}{{ a }}={{ b }};{% endfor %}{% for k in table %}{{ k }}{% endfor %}
{% for w in words %}{% if w == 'fig' %}{% continue %}{% endif %}{% if loop.index > 4 %}{% break %}{% endif %}{{ w }} {% endfor %}
{% for w in words %}{{ loop.previtem }}<{{ w }}>{{ loop.nextitem }}{{ loop.cycle('odd', 'even') }}{{ loop.changed(w|lower) }} {% endfor %}
{% for a in [1,2] %}{% for b in [3,4] %}{{ a }}{{ b }}{{ loop.last }}{% endfor %}{{ loop.first }}{% endfor %}
{% for c in 'héy' %}[{{ c }}]{% endfor %}{% for i in range(3) %}{{ i }}{% endfor %}{% for i in range(10, 0, -3) %}{{ i }},{% endfor %}
{% set ns = namespace(found=false, count=0) %}{% for w in words if not ns.found %}{% set ns.count = ns.count + 1 %}{% if w == 'fig' %}{% set ns.found = true %}{% endif %}{% endfor %}{{ ns.count }} {{ ns.found }}
{% set x = 1 %}{% for i in [1,2] %}{% set x = x + i %}{{ x }} {% endfor %}{{ x }}
{% set a, b = 1, 'two' %}{{ a }}{{ b }}{% set t = (1,) %}{{ t }}{{ () }}{{ (1, 2) }}
{% set block %}<{{ n }}>{% endset %}{{ block }}{{ block|length }}{% set up | upper | replace('B', '_') %}abc{% endset %}{{ up }}
{% macro greet(name, mark='!', more=none) %}Hi {{ name }}{{ mark }}{{ more }}{% endmacro %}{{ greet('Ann') }}{{ greet('Bob', mark='?') }}{{ greet(name='C', more=[1]) }}{{ greet() }}
{% macro all() %}{{ varargs }}{{ kwargs }}{% endmacro %}{{ all(1, 'a', k=2) }}{{ all() }}{{ all(*[1, 2], **{'z': 3}) }}
{% macro box(title) %}[{{ title }}: {{ caller('in') }}]{% endmacro %}{% call(what) box('T') %}body {{ what }} {{ n }}{% endcall %}{% macro plain() %}({{ caller() }}){% endmacro %}{% call plain() %}x{% endcall %}{% call() plain() %}y{% endcall %}
{% macro fact(k) %}{{ 1 if k <= 1 else k * (fact(k - 1)|int) }}{% endmacro %}{{ fact(10) }}
{% filter upper|trim %} shout {{ n }} {% endfilter %}|{% with a = 1, b = n %}{{ a + b }}{% endwith %}|{{ a is defined }}
{% raw %}{{ not }} {% this %}{% endraw %}|{#- a comment -#}|{# another #}|{%- raw -%}  tight  {%- endraw -%}  |
{% generation %}{{ messages[1].content }}{% endgeneration %}{% print n, x %}
{{ 1 + 2 * 3 - 4 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 10 }} {{ 2 ** -1 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 4 / 2 }}
{{ 'a' + 'b' ~ 1 ~ 2.0 ~ none ~ true }} {{ 'ab' * 3 }} {{ [1] + [2] }} {{ [0] * 3 }} {{ true + 1 }} {{ -n }} {{ +n }} {{ -(-3)|abs }} {{ 3 - -2 }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 5 }} {{ 1 == 1.0 == true }} {{ 'a' < 'b' }} {{ [1, 2] < [1, 3] }} {{ 'a' in 'cat' }} {{ 'x' not in table }} {{ 'a' in table }} {{ 2 in [1, 2] }} {{ not 1 }}
{{ ('<b>'|safe) + '<i>' + messages[1].content }}|{{ '<' + ('>'|safe) }}|{{ ('<'|safe) ~ '>' }}|{{ '<'|safe is escaped }}{{ '<' is escaped }}{{ '<'|e is escaped }}|{{ 5|safe + '<' }}
{{ ('%s-%s-%d'|safe) % ('<', '&'|safe, 3) }}|{{ '<%s>'|safe|format('"') }}|{{ ('{}{a}'|safe).format('<', a="'") }}|{{ ('<%(k)s>'|safe) % {'k': '&'} }}|{{ '%s'|safe % '<' }}|{{ '%s'|safe % [['<']] }}|{{ '%s' % ('<'|safe) + '<' }}
{{ ('<'|safe) * 2 + '>' }}|{{ ('<ab'|safe)[0] + '<' }}|{{ ('<ab'|safe)[:2] + '<' }}|{{ ('<'|safe|upper) + '<' }}|{{ (' <x'|safe|trim) + '<' }}|{{ ('<'|safe)|length }}
{{ ('&'|safe).join(['<', 1, '>'|safe]) }}|{{ ('<a'|safe).replace('a', '"') }}|{{ ('<,>'|safe).split(',')[1] + '<' }}|{{ ('x'|safe).center(5) + '<' }}|{{ ('<'|safe).upper() + '>' }}|{{ ('a<b'|safe).partition('<')[1] + '<' }}
{{ '<'|e|e }}|{{ '<'|e|forceescape }}|{{ ('<\n<'|safe|indent(2)) + '<' }}|{{ ('<abcdefghi>'|safe|truncate(8, true, '>', 0)) + '<' }}|{{ [('<'|safe), '>']|join('&') }}|{{ ('<'|safe|replace('<', '>')) + '<' }}
{{ ('<'|safe|title) + '<' }}|{{ ('<'|safe|string) + '<' }}|{{ ('<'|safe|capitalize) + '<' }}|{{ ('<b'|safe|reverse) + '<' }}|{% set m %}{{ '<'|safe }}{% endset %}{{ m + '<' }}|{% macro f() %}<{% endmacro %}{{ f() + '<' }}|{{ ('<'|safe) == '<' }}|{{ {'<': 1}['<'|safe] }}|{{ ('<'|safe)|tojson }}
{{ nothing or 'fallback' }} {{ 0 and 1 }} {{ '' or [] or 'last' }} {{ 1 and 'yes' }} {{ 'y' if n else 'n' }}[{{ 'gone' if not n }}]{{ 'a' if 0 else 'b' if 0 else 'c' }}
{{ words[1:3] }} {{ words[::-1] }} {{ words[-2:] }} {{ words[::2] }} {{ words[5:1:-2] }} {{ 'héllo'[1:-1] }} {{ 'héllo'[::-1] }} {{ text[:-100] }} {{ words[99:] }} {{ (1,2,3)[:2] }}
{{ messages[1].content }} {{ nested }} {{ nested.list[1][1].k }} {{ floats }} {{ [none, true, 'it\'s', "say \"x\"", 'both \' and "'] }}
{{ missing }}[{{ missing is defined }}{{ table.missing is undefined }}{{ table['missing']|default('d') }}{{ ''|default('e') }}{{ ''|default('f', true) }}{{ nothing|d('g') }}{{ nothing|default('h', boolean=true) }}]
{{ missing|length }}{{ missing|list }}{{ missing|string }}{{ missing ~ 'x' }}{{ missing == other }}{% for x in missing %}x{% endfor %}{{ missing in [1] }}{{ missing or 'or' }}
{{ nested|tojson }} {{ messages|tojson }} {{ floats|tojson }} {{ 'é"\\\n\x07/<>&'|tojson }} {{ 'é😀'|tojson(ensure_ascii=true) }}
{{ table|tojson(indent=2) }}{{ nested|tojson(indent=4) }}{{ []|tojson(indent=2) }}{{ table|tojson(sort_keys=true) }}{{ nested|tojson(separators=(',', ':')) }}{{ {'k': 1, 2: 'b', none: 3, true: 4}|tojson }}{{ (1, 2)|tojson }}{{ [[], {}]|tojson(indent=1) }}{{ table|tojson(indent='--') }}
{{ text|upper }} {{ text|title }} {{ text|capitalize }} {{ 'HeLLo'|lower }} {{ 'straße'|upper }} {{ text|wordcount }} {{ text|replace('q', 'Q', 1) }} {{ 'aaa'|replace('a', 'b', 2) }} {{ 'abc'|replace('', '-') }}
[{{ 'x'|center(7) }}][{{ '  y '|trim }}][{{ 'xxyxx'|trim('x') }}][{{ 'ab'|center(5) }}][{{ text|truncate(12) }}][{{ text|truncate(12, true, '~', 0) }}][{{ 'short'|truncate(5) }}]
{{ 'a\nb\n\nc'|indent }}|{{ 'a\nb'|indent(2, true) }}|{{ 'a\n\nb'|indent('> ', blank=true) }}|{{ '<a href="x">&\'</a>'|e }}|{{ 'a b/é?'|urlencode }}|{{ 'x'|safe }}
{{ words|join(', ') }} {{ [1, 2.5, none]|join('-') }} {{ people|join(',', attribute='name') }} {{ words|first }} {{ words|last }} {{ words|length }} {{ table|length }} {{ 'abc'|first }} {{ empty|first }}
{{ words|sort }} {{ words|sort(case_sensitive=true) }} {{ words|sort(reverse=true) }} {{ people|sort(attribute='age,name')|map(attribute='name')|list }} {{ table|dictsort }} {{ table|dictsort(true) }} {{ table|dictsort(by='value', reverse=true) }}
{{ words|unique|list }} {{ words|map('upper')|list }} {{ words|map('replace', 'p', 'P')|join(' ') }} {{ people|map(attribute='home.city')|unique|join }} {{ people|map(attribute='zip', default='-')|list }}
{{ words|select('in', ['fig', 'pear'])|list }} {{ words|reject('equalto', 'fig')|list }} {{ people|selectattr('age', 'gt', 26)|map(attribute='name')|list }} {{ people|rejectattr('age', '==', 30)|list|length }} {{ [0, 1, '', 'a']|select|list }} {{ people|selectattr('zip')|list }} {{ people|selectattr('name', 'defined')|list|length }}
{% for city, group in people|groupby('home.city') %}{{ city }}:{{ group|map(attribute='name')|join('+') }};{% endfor %}{% for g in people|groupby('age') %}{{ g.grouper }}{{ g.list|length }}{% endfor %}
{{ [3, 1, 2]|max }} {{ words|min }} {{ people|max(attribute='age') }} {{ [1, 2, 3]|sum }} {{ people|sum(attribute='age') }} {{ [1.5, 2]|sum(start=10) }} {{ [1, 2, 3]|reverse|list }} {{ 'abc'|reverse }}
{{ [1, 2, 3, 4, 5]|batch(2)|list }} {{ [1, 2, 3]|batch(2, 0)|list }} {{ [1, 2, 3, 4, 5]|slice(3)|list }} {{ [1, 2, 3, 4]|slice(3, 'x')|list }} {{ table|items|list }} {{ 'abc'|list }} {{ table|list }}
{{ '42'|int }} {{ 'x'|int }} {{ 'x'|int(-1) }} {{ 3.9|int }} {{ '0x1f'|int(base=16) }} {{ '4.7'|int }} {{ '2.5'|float }} {{ 'x'|float }} {{ n|float }} {{ 2.567|round(2) }} {{ 42.55|round }} {{ 42.55|round(1, 'floor') }} {{ 42.1|round(method='ceil') }} {{ 7|round }} {{ -3|abs }} {{ 2.5|round }} {{ 3.5|round }}
{{ '%s is %d, %5.2f, %r, %x, %05d|%-4s|%%' % ('a', 3, 2.5, 'q', 255, 42, 'l') }} {{ '%s'|format(n) }} {{ '%(a)s'|format(a=1) }} {{ '%s' % table }} {{ '%g %e' % (0.0001, 12345.678) }}
{{ '{} {} {0}'.format(1, 2) if false else '{} {}'.format('a', n) }} {{ '{0}{1}{0}'.format('x', 'y') }} {{ '{a:>5}|{b:<4}|{c:^5}|{d:.3f}|{e:,}'.format(a=1, b='x', c='m', d=x, e=1234567) }} {{ '{!r} {{}}'.format('q') }} {{ '{:05d}{:+d}{:x}'.format(42, 3, 255) }}
{{ ' a b '.strip() }}|{{ 'xxa'.lstrip('x') }}|{{ 'a\n'.rstrip() }}|{{ 'a,b,,c'.split(',') }}|{{ ' a  b '.split() }}|{{ 'a b c'.split(' ', 1) }}|{{ 'a b c'.rsplit(' ', 1) }}|{{ 'a b  c '.rsplit(none, 1) }}|{{ 'a\nb\r\nc'.splitlines() }}
{{ 'abc'.startswith('ab') }}{{ 'abc'.startswith(('x', 'a')) }}{{ 'abc'.endswith('c') }}{{ 'abc'.startswith('b', 1) }} {{ 'banana'.find('an') }}{{ 'banana'.rfind('an') }}{{ 'é你b'.find('b') }}{{ 'banana'.count('a') }}{{ 'x'.find('y') }} {{ 'b'.join(['1', '2']) }} {{ 'abc'.replace('b', 'x') }} {{ 'banana'.index('n') }}
{{ 'abc'.upper() }}{{ 'ABC'.lower() }}{{ 'hello world'.title() }}{{ 'hELLO'.capitalize() }}{{ 'aB'.swapcase() }} {{ '7'.zfill(3) }}{{ '-7'.zfill(4) }} [{{ 'x'.center(5, '*') }}{{ 'x'.ljust(3) }}{{ 'x'.rjust(3) }}] {{ 'a=b=c'.partition('=') }}{{ 'a=b=c'.rpartition('=') }} {{ 'prefix-x'.removeprefix('prefix-') }}{{ 'x.py'.removesuffix('.py') }}
{{ '12'.isdigit() }}{{ 'ab'.isalpha() }}{{ 'a1'.isalnum() }}{{ ' '.isspace() }}{{ 'AB'.isupper() }}{{ 'ab'.islower() }}{{ ''.isdigit() }}{{ '½'.isnumeric() }}{{ '½'.isdecimal() }}
{{ table.get('a') }}{{ table.get('z') }}{{ table.get('z', 'd') }} {{ table.keys()|list }} {{ table.values()|list }} {{ table.items()|list }} {{ table.keys() }} {{ table.copy() }} {{ words.index('fig') }}{{ words.count('fig') }} {{ dict(a=1, b=2) }} {{ dict([('x', 1)]) }} {{ dict(table, z=0) }}
{{ n is number }}{{ n is integer }}{{ x is float }}{{ yes is boolean }}{{ yes is true }}{{ yes is false }}{{ nothing is none }}{{ text is string }}{{ table is mapping }}{{ words is sequence }}{{ words is iterable }}{{ table is iterable }}{{ n is iterable }}{{ text is sequence }}{{ range is callable }}
{{ 3 is odd }}{{ 3 is even }}{{ 9 is divisibleby 3 }}{{ 9 is divisibleby(2) }}{{ 'a' is in 'abc' }}{{ 1 is sameas 1 }}{{ n is eq 7 }}{{ n is not gt 7 }}{{ 'ABC' is upper }}{{ 'abc' is lower }}{{ 'upper' is filter }}{{ 'nope' is filter }}{{ 'odd' is test }}{{ 3 is lt 5 and 4 is ge 4 }}{{ not n is none }}
{{ {'a': 1, 'b': [1, 2],} }}{{ [1, 2,] }}{{ {1: 'x'}[1] }}{{ {'items': 5}.items() }}{{ {'items': 5}['items'] }}{{ table.C }}{{ words.0 }}{{ words[0][0] }}{{ (words|last)[0] }}{{ words|map('length')|sum }}
{{ 'a' 'b' }}{{ 'tab\there' }}{{ "\u00e9\x41\101" }}{{ 'back\\slash \q' }}{{ 1_000 }}{{ 1.5e3 }}{{ 0.1 + 0.2 }}{{ 1e100 }}{{ 10 / 3 }}
{{ messages|selectattr('role', 'equalto', 'user')|map(attribute='content')|first }}{{ (messages|last).role }}{{ messages|map(attribute='role')|join(' ') }}{{ messages[2].tool_calls[0].function.arguments|tojson }}{{ messages[2].tool_calls is iterable and messages[2].tool_calls is not string }}
{%- set content = messages[1].content %}{%- if content is string and '\n' in content %}{{ content.split('\n')[-1] }}{% elif content %}list{% else %}none{% endif -%}
{{ 'x'.__class__ }}[{{ words.append is defined }}]{{ table.update }}{{ words.nope is defined }}{{ n.nope is defined }}
{% macro outer() %}{% set inner = 5 %}{{ inner }}{{ late }}{% endmacro %}{% set late = 'later' %}{{ outer() }}{{ inner is defined }}
{{ strftime_now('%Y') | length }}{{ strftime_now('') }}
{{ raise_exception('no such role: ' + messages[0].role) }}
{{ missing.attribute }}
{{ missing + 1 }}
{{ 'a' + 1 }}
{{ 1 / 0 }}
{{ words.append('x') }}
{{ table.pop('a') }}
{{ nothing.upper() }}
{{ n() }}
{{ 'x'|nope }}
{{ 'x' is nope }}
{{ missing|tojson }}
{{ range(1000000) }}
{{ 'a' < 1 }}
{% for x in n %}{% endfor %}
{% set table.x = 1 %}
{% set a, b = [1, 2, 3] %}
{% macro one(a) %}{% endmacro %}{{ one(1, 2) }}
{% macro one(a) %}{% endmacro %}{{ one(b=1) }}
{{ '%d' % 'x' }}
{{ 'x'.split('') }}
{{ words.index('nope') }}
{% if n %}
{% endif %}
{{ n
{% for %}
{{ ) }}
{% unknown %}
{{ 'unclosed }}
{{ 1 is odd is even }}
{% break %}
{% do words %}
""".strip("\n").split("\n")

BLOCKS = [
    "{% if yes %}\n  kept\n{% endif %}\n  after\n",
    "line\n    {% if yes %}\n    in\n    {% endif %}\nend",
    "a  {%- if yes -%}  b  {%- endif -%}  c",
    "a  {%+ if yes %}\n b {% endif +%}\n c",
    "  {{- n -}}  x  {{ n }}\n\n{{ n -}}\n\n y",
    "\n\n{# c #}\n  {# d -#}\n  e {#+ f #}\n",
    "{% for m in messages -%}\n  {{ m.role }}\n{%- endfor %}\n",
    "x\r\ny\rz{% if yes %}\r\nw{% endif %}\r\n\r\n",
    "{%- for m in messages %}\n    {%- if m.role == 'user' %}\n        {{- m.content }}\n"
    "    {%- elif m.role == 'system' %}\n        {{- '[' + m.content | trim + ']\\n' }}\n"
    "    {%- endif %}\n{%- endfor %}\n{%- if add_generation_prompt %}\n    {{- '<a>' }}\n{%- endif %}\n",
    "{{ {\n  'a': [1,\n 2]\n}|tojson }}\n",
    "{% set t %}\n  inner {{ n }}\n{% endset %}\n[{{ t }}]\n",
    "{%- macro f(v) %}\n  {%- if v is mapping %}\n    {%- for k, w in v|items %}{{ k }}:{{ f(w) }},{% endfor %}\n"
    "  {%- elif v is sequence and v is not string %}[{% for w in v %}{{ f(w) }};{% endfor %}]\n"
    "  {%- else %}{{ v }}{% endif %}\n{%- endmacro %}\n{{ f(nested) }}",
    "   {% raw %} {{ x }} {% endraw %}   \nq {%- raw %} 1 {% endraw -%} 2",
    "tail\n\n", "", "\n", "{}{ {% if yes %}}{{ '}}' }}{% endif %}%}",
]


def render(template):
    settings = {**VARIABLES, "add_generation_prompt": True}
    try:
        return render_jinja_template([MESSAGES], chat_template=template, **settings)[0][0]
    except Exception:  # templates raise what Python has
        return None


def main():
    path = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "tests/golden/chat_templates.json")
    head = {"made_by": "tools/make_template_goldens.py", "transformers": transformers.__version__,
            "jinja2": jinja2.__version__, "messages": MESSAGES, "variables": VARIABLES}
    cases = [{"template": template, "text": render(template)} for template in LINES + BLOCKS]
    lines = ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases)
    path.write_text(json.dumps(head, ensure_ascii=False)[:-1] + ', "cases": [\n' + lines + "\n]}\n")
    refused = sum(case["text"] is None for case in cases)
    print(f"{len(cases)} templates, {refused} refused")


if __name__ == "__main__":
    main()
