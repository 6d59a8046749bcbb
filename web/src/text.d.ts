declare module '*/LICENSE' {
  const text: string;
  export default text;
}
declare module '*/NOTICE' {
  const text: string;
  export default text;
}
declare module '*/LICENSE-d3' {
  const text: string;
  export default text;
}
declare module '*/LICENSE.txt' {
  const text: string;
  export default text;
}
