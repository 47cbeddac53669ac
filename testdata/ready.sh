# What the setup.sh scripts beside this file have in common; they source it.
# Each makes one directory ready, .cache/<suite>-<hash of its pins, this file,
# Python and Node> inside the checkout (git-ignored). It is made once. Everything
# that is done is said on standard error; the last line on standard output is
# the directory's path. Whatever cannot be had is an error, never something to
# pass over.
#
#   suite=NAME     set before
#   need TOOL...   fail where one is missing
#   begin FILE...  FILEs are the pins; sets $dir, an empty directory, or ends the
#                  script where it is ready
#   finish         the directory is ready
here=$(cd "$(dirname "${BASH_SOURCE[1]}")" && pwd)
root=$(cd "$here/../.." && pwd)

say() { printf '%s: %s\n' "$suite" "$*" >&2; }

fail() {
	say "$*"
	exit 1
}

need() {
	local tool
	for tool in "$@"; do
		command -v "$tool" >/dev/null 2>&1 || fail "missing: $tool. testdata/clients/setup.sh installs it."
	done
}

# versions are what the pins are installed for.
versions() {
	python3 -c 'import sys; print("%s %s" % (sys.executable, sys.version))'
	node --version
}

begin() {
	local hash
	hash=$(versions | cat - "$@" "$here/setup.sh" "${BASH_SOURCE[0]}" | sha256sum | cut -c1-16)
	dir="$root/.cache/$suite-$hash"
	mkdir -p "$root/.cache"
	exec 9>"$root/.cache/$suite.lock" # two suites may start at once
	flock 9
	if [ -e "$dir/ready" ]; then
		finish
		exit 0
	fi
	say "installing into $dir"
	rm -rf "$dir"
	mkdir -p "$dir"
}

# python_packages MODULES FILE... and node_packages install into $dir/python and
# $dir/node_modules.
python_packages() {
	local modules=$1 file
	shift
	say "Python packages of $*"
	python3 -m venv "$dir/python"
	for file in "$@"; do
		"$dir/python/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps -r "$here/$file" >&2
	done
	"$dir/python/bin/python" -c "import $modules" >&2
}

node_packages() {
	say "Node packages of package-lock.json"
	cp "$here/package.json" "$here/package-lock.json" "$dir"
	npm ci --prefix "$dir" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
}

finish() {
	# What other pins left behind.
	find "$root/.cache" -maxdepth 1 -name "$suite-*" ! -path "$dir" -exec rm -rf {} +
	touch "$dir/ready"
	say "ready: $dir"
	printf '%s\n' "$dir"
}
