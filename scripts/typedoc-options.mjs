import { Comment, Converter, ReflectionKind } from 'typedoc';

/**
 * Makes destructured options readable: TypeDoc by itself calls them `__namedParameters`, and does not show their
 * defaults.
 */
export function load({ converter }) {
  converter.on(Converter.EVENT_CREATE_SIGNATURE, (_context, { comment, parameters = [] }) => {
    const names = comment?.blockTags
      .filter(({ tag, name }) => tag === '@param' && name && !name.includes('.'))
      .map(({ name }) => name);
    // A tag that no parameter has the name of names the destructured one.
    if (names?.some((name) => parameters.every((parameter) => parameter.name !== name))) return;
    for (const parameter of parameters) if (parameter.name === '__namedParameters') parameter.name = 'options';
  });

  converter.on(Converter.EVENT_RESOLVE_END, ({ project }) => {
    for (const property of project.getReflectionsByKind(ReflectionKind.Property)) {
      const { parent, defaultValue } = property;
      if (parent?.kind !== ReflectionKind.TypeLiteral || defaultValue === undefined || defaultValue === '...') continue;
      property.comment ??= new Comment();
      const { summary } = property.comment;
      summary.push(
        { kind: 'text', text: summary.length > 0 ? '; ' : '' },
        { kind: 'code', text: `\`${defaultValue}\`` },
        { kind: 'text', text: ' by default' },
      );
    }
  });
}
