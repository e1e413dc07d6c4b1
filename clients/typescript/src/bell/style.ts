/** Colours follow `color-scheme` of the page, or the attribute `theme`. Logical properties follow the direction. */
export const STYLE = `
:host {
  --_accent: var(--readstate-accent, light-dark(#1a56c4, #8ab4ff));
  --_background: var(--readstate-background, light-dark(#fff, #1d2025));
  --_text: var(--readstate-text, light-dark(#1b1f24, #e9ecf1));
  --_muted: var(--readstate-muted, light-dark(#57606a, #a3acb9));
  --_border: var(--readstate-border, light-dark(#d5dae1, #3a404a));
  --_unread: var(--readstate-unread, light-dark(#eef4ff, #252d3d));
  --_badge: var(--readstate-badge, #c62828);
  --_badge-text: var(--readstate-badge-text, #fff);
  display: inline-block;
  position: relative;
  font: var(--readstate-font, 14px/1.4 system-ui, sans-serif);
  color: var(--_text);
}
:host([hidden]), [hidden] { display: none !important; }
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
* { box-sizing: border-box; }
button {
  font: inherit; color: inherit; background: none; border: 1px solid transparent; border-radius: 6px;
  padding: 4px 8px; min-height: 28px; cursor: pointer; text-align: start;
}
button:hover { background: var(--_unread); }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: -2px; }
[aria-disabled=true] { color: var(--_muted); cursor: default; }
svg { display: block; width: 24px; height: 24px; }
.only-heard {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap;
}
.bell { position: relative; padding: 8px; border-radius: 50%; }
.badge {
  position: absolute; inset-block-start: 0; inset-inline-end: 0; min-width: 18px; padding: 0 4px; border-radius: 9px;
  background: var(--_badge); color: var(--_badge-text); font-size: 11px; line-height: 18px; text-align: center;
}
.panel {
  position: absolute; inset-block-start: calc(100% + 8px); inset-inline-end: 0; z-index: var(--readstate-z-index, 1000);
  display: flex; flex-direction: column; width: var(--readstate-panel-width, 380px);
  max-height: var(--readstate-panel-height, min(560px, max(240px, var(--_space, 80vh))));
  overflow: hidden; background: var(--_background);
  border: 1px solid var(--_border); border-radius: var(--readstate-radius, 12px); box-shadow: 0 8px 28px #0004;
}
.panel[data-align=start] { inset-inline: 0 auto; }
.panel:focus { outline: none; }
.row { display: flex; flex-wrap: wrap; align-items: center; gap: 4px; padding: 4px 8px; }
.header { padding: 8px 8px 4px 16px; padding-inline: 16px 8px; }
.title { flex: 1; font-size: 1.15em; font-weight: 600; }
.tools { justify-content: space-between; border-block-end: 1px solid var(--_border); }
[role=tab] { border-radius: 6px 6px 0 0; border-block-end: 2px solid transparent; }
[role=tab][aria-selected=true] { border-block-end-color: var(--_accent); font-weight: 600; }
.tools button { color: var(--_accent); }
.tools [aria-disabled=true] { color: var(--_muted); }
[aria-pressed=true] { background: var(--_unread); border-color: var(--_accent); }
.notice { margin: 0; padding: 6px 16px; background: var(--_unread); border-block-end: 1px solid var(--_border); }
.notice button { color: var(--_accent); font-weight: 600; }
.list { position: relative; flex: 1; min-height: 120px; overflow-y: auto; overscroll-behavior: contain; }
.pill {
  display: block; position: sticky; inset-block-start: 8px; z-index: 1; margin: 8px auto -36px; padding: 2px 14px;
  border-radius: 14px; background: var(--_accent); color: var(--_background); box-shadow: 0 2px 8px #0004;
}
.pill:hover { background: var(--_accent); text-decoration: underline; }
.pill:focus-visible { outline-color: var(--_text); outline-offset: 2px; }
ul { margin: 0; padding: 0; list-style: none; }
li { display: flex; align-items: flex-start; border-block-end: 1px solid var(--_border); }
li[data-unread] { background: var(--_unread); }
.entry { flex: 1; min-width: 0; padding: 10px 16px; border-radius: 0; overflow-wrap: anywhere; }
.entry > * { display: block; }
.entry > .only-heard { display: inline; }
li[data-unread] .name { font-weight: 600; }
.text, time { color: var(--_muted); font-size: .92em; }
.act { margin: 8px 2px; min-width: 28px; padding: 2px; color: var(--_muted); }
.act:last-child { margin-inline-end: 8px; }
.act svg { width: 20px; height: 20px; margin: auto; }
.hint { margin: 0; padding: 24px 16px; text-align: center; color: var(--_muted); }
.end { height: 1px; }
@media (max-width: 480px) {
  .panel {
    position: fixed; inset: auto 0 0 !important; width: auto; max-height: 85vh;
    border-end-start-radius: 0; border-end-end-radius: 0;
  }
}
@media (forced-colors: active) {
  .badge, .pill, li[data-unread], [aria-pressed=true] { border: 1px solid; }
}
`;
