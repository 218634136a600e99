// SPDX-License-Identifier: ISC
// A page that has its data in it.
function embedded(id) {
    var element = by(id);
    return element ? open(fzstd.decompress(decode64(element.textContent))) : null;
}
window.addEventListener("hashchange", () => {
    var before = JSON.stringify(state);
    stateRead();
    if (shown && JSON.stringify(state) !== before) start();
});
var loaded = null;
function start() {
    if (!loaded) loaded = [embedded("data"), embedded("against")];
    show(loaded[0], loaded[1]);
    document.documentElement.setAttribute("data-ready", "");
}
stateRead();
themes();
figuresRead();
start();
