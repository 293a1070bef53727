# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What a C header declares, a line each, so that two versions can be compared as texts: functions
# and types as they stand there, enumerators with the name of their enum before them. Comments, line
# breaks and what is for C++ only do not count.
#
# What this cannot see through (macros, conditions, enumerators without a value) is refused: it
# could hide a change.

function complain(what)
{
	printf "%s: %s\n", FILENAME, what >"/dev/stderr"
	failed = 1
}

function trim(text)
{
	gsub(/[ \t\n]+/, " ", text)
	sub(/^ /, "", text)
	sub(/ $/, "", text)
	return text
}

function without_comments(text,    kept, start, length_in)
{
	kept = ""
	while ((start = index(text, "/*"))) {
		kept = kept substr(text, 1, start - 1) " "
		text = substr(text, start + 2)
		length_in = index(text, "*/")
		text = substr(text, length_in + 2)
	}
	return kept text
}

function is_directive(line)
{
	return line ~ /^[ \t]*#/
}

function is_harmless(line)
{
	return line ~ /^#(pragma once|include <[a-z]+\.h>)$/
}

function without_directives(text,    lines, n, i, kept, skipping)
{
	n = split(text, lines, "\n")
	kept = ""
	skipping = 0
	for (i = 1; i <= n; i++) {
		if (lines[i] ~ /^#ifdef __cplusplus$/)
			skipping = 1
		else if (lines[i] ~ /^#endif$/ && skipping)
			skipping = 0
		else if (is_directive(lines[i]) && !is_harmless(lines[i]))
			complain("not understood: " lines[i])
		else if (!skipping && !is_directive(lines[i]))
			kept = kept lines[i] "\n"
	}
	return kept
}

function print_enum(text,    name, parts, n, i, part)
{
	name = text
	sub(/ *\{.*/, "", name)
	sub(/^[^{]*\{/, "", text)
	sub(/\}$/, "", text)
	n = split(text, parts, ",")
	for (i = 1; i <= n; i++) {
		part = trim(parts[i])
		if (part != "" && part !~ /^[A-Z0-9_]+ = [0-9<() ]+$/)
			complain("an enumerator without a value of its own: " part)
		if (part != "")
			print name ": " part
	}
}

function print_declaration(text)
{
	text = trim(text)
	if (text ~ /^enum [a-z_]+ \{/)
		print_enum(text)
	else if (text != "")
		print text
}

# The fields of a struct end with semicolons, too.
function print_declarations(text,    parts, n, i, declaration)
{
	n = split(text, parts, ";")
	declaration = ""
	for (i = 1; i <= n; i++) {
		declaration = declaration parts[i]
		if (gsub(/\{/, "{", declaration) == gsub(/\}/, "}", declaration)) {
			print_declaration(declaration)
			declaration = ""
		} else {
			declaration = declaration ";"
		}
	}
}

{ header = header $0 "\n" }

END {
	print_declarations(without_directives(without_comments(header)))
	exit failed
}
