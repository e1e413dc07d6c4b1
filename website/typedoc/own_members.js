/** A plugin of TypeDoc: a class shows its own members. Those that it inherits are where they come from. */

import { Converter, ReflectionKind } from 'typedoc';

export function load(app) {
  // After TypeDoc has found out what is inherited, and before it makes groups.
  app.converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const member of project.getReflectionsByKind(ReflectionKind.All)) {
      const signatures = member.signatures ?? [];
      if (member.inheritedFrom || (signatures.length > 0 && signatures.every((each) => each.inheritedFrom))) {
        project.removeReflection(member);
      }
    }
  }, 1);
}
