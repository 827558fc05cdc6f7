export function runReadmeExample(packageFolder: string): { printed: string[]; promised: string[] };
