# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
#
# Sourced by what compares JSON with fatespsync(8): what the section JSON OUTPUT says, as JSON, and
# whether a value is as it says.

# json_schema PAGE: {OBJECT: {KEY: {type, optional, words}}}
json_schema()
{
	awk '
		/^\.Sh / { inside = $0 == ".Sh JSON OUTPUT" }
		!inside { next }
		/^\.Ss JSON of / { object = $4; key = "" }
		/^\.It Va / {
			key = $3
			type = $0
			optional = sub(/ , optional$/, "", type)
			sub(/^.* Pq /, "", type)
			print object "\t" key "\t" type "\t" optional "\t"
		}
		/^\.Ql / && key { print object "\t" key "\t" type "\t" optional "\t" $2 }' "$1" |
		jq -R -n 'reduce (inputs / "\t") as [$object, $key, $type, $optional, $word] ({};
			.[$object][$key].type = $type
			| .[$object][$key].optional = ($optional == "1")
			| if $type == "word" and $word != "" then .[$object][$key].words |= (. + [$word] | unique)
				else . end)'
}

# What is wrong with the value, and what of the schema is in it: lines "wrong ..." and "seen OBJECT.KEY"
# or "seen OBJECT.KEY=WORD". Needs $schema and $object.
# shellcheck disable=SC2016,SC2034 # jq; for who sources this
JSON_JUDGE='
def wrong($path; $text): "wrong \($path): \($text)";
def object($name; $value; $path):
	def value($key; $value; $path):
		if $key.type | startswith("array of ") then
			if ($value | type) != "array" then wrong($path; "no array")
			else range($value | length) as $i
				| value($key + {type: ($key.type | ltrimstr("array of "))}; $value[$i];
					"\($path)[\($i)]")
			end
		elif $key.type == "string or null" then
			if $value == null or ($value | type) == "string" then empty
			else wrong($path; "no string") end
		elif $key.type == "word" then
			if $key.words | index([$value]) then empty
			else wrong($path; "\($value) is no word of the manual") end
		elif $key.type == "integer" then
			if ($value | type) == "number" and ($value | floor) == $value and $value >= 0
			then empty else wrong($path; "no integer") end
		elif $key.type == "string" or $key.type == "boolean" then
			if ($value | type) == $key.type then empty
			else wrong($path; "no \($key.type)") end
		else object($key.type | ltrimstr("object "); $value; $path)
		end;
	if $schema[$name] == null then wrong($path; "the manual has no type \($name)")
	elif ($value | type) != "object" then wrong($path; "no object")
	else
		($schema[$name] | to_entries[] | select(.value.optional | not) | .key
			| select(. as $k | $value | has($k) | not)
			| wrong("\($path).\(.)"; "left out, and the manual does not say so")),
		($value | to_entries[] | .key as $k | .value as $v
			| if $schema[$name][$k] == null then
				wrong("\($path).\($k)"; "not in the manual")
			else
				"seen \($name).\($k)",
				(if $schema[$name][$k].type == "word" then "seen \($name).\($k)=\($v)"
					else empty end),
				value($schema[$name][$k]; $v; "\($path).\($k)")
			end)
	end;
object($object; .; $object)'

# All that JSON_JUDGE can find "seen", of a schema.
JSON_ALL='to_entries[] | .key as $name | .value | to_entries[] | "seen \($name).\(.key)" as $seen
	| $seen, (.value.words[]? | "\($seen)=\(.)")'
