#!/usr/bin/env bash
# Takes the steps of a release in CONTRIBUTING.md in a repository of its own, made from what git has
# staged, and uses the versions from outside.
set -euo pipefail
cd "$(dirname "$0")/.."
sdk=github.com/seed07fc1495/trusthub version=v0.1.0 sid=BUaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_0=user.name GIT_CONFIG_VALUE_0=release GIT_CONFIG_KEY_1=user.email GIT_CONFIG_VALUE_1=release@localhost
export GIT_CONFIG_KEY_2=url.file://$work/tree.insteadOf GIT_CONFIG_VALUE_2=https://$sdk # in place of GitHub
export GOPRIVATE=$sdk GOMODCACHE=$work/cache GOBIN=$work/bin GOFLAGS=-modcacherw GOWORK=off

release() { git commit -qam "Release $*" && for tag; do git tag "$tag"; done; }
git checkout-index --all --prefix="$work/tree/"
cd "$work/tree"
git init -q && git add --all && release $version
for module in trusthubotel cmd/trusthub; do
	(cd $module && go mod edit -dropreplace=$sdk -require=$sdk@$version && go mod tidy)
done
release trusthubotel/$version cmd/trusthub/$version

mkdir "$work/outside" && cd "$work/outside"
cp "$work/tree/internal/readme/fetch/main.go" .
go mod init example.com/outside
go get $sdk@$version && go build -o /dev/null .
go get $sdk/trusthubotel@$version && go build $sdk/trusthubotel
go install $sdk/cmd/trusthub@$version
"$GOBIN/trusthub" check $sid --fake
echo "go get and go install of $version work from outside"
